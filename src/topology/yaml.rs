//! YAML with the place of every value.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use super::{
    section::Placed,
    source::{Problem, Source, Span},
};

/// A value of a YAML document.
#[derive(Debug)]
pub(super) struct Tree {
    pub span: Span,
    pub branch: Branch,
}

/// What the value is.
#[derive(Debug)]
pub(super) enum Branch {
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(Placed<String>, Tree)>),
}

impl Tree {
    /// The documents of a file.
    ///
    /// # Errors
    /// It is no YAML.
    pub fn read(source: &Arc<Source>) -> Result<Vec<Self>, Problem> {
        let options = serde_saphyr::options! {
            // As Kubernetes' own reader: `0644` is octal.
            legacy_octal_numbers: true,
        };
        let read = serde_saphyr::from_multiple_with_options(source.text(), options);
        let trees: Vec<Self> = read.map_err(|error| {
            let span = error.location().map_or(0..0, |at| span_of(&at));
            let text = error.without_snippet().to_string();
            let first = text.lines().next().unwrap_or_default();
            let message = first
                .split_once(" at line ")
                .map_or(first, |(text, _)| text);
            Problem::at(source, span, format!("not YAML: {message}"))
        })?;
        let is_something = |tree: &Self| !matches!(tree.branch, Branch::Leaf(Value::Null));
        Ok(trees.into_iter().filter(is_something).collect())
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.branch {
            Branch::Leaf(value) => value.clone(),
            Branch::List(list) => list.iter().map(Self::to_value).collect(),
            Branch::Map(map) => map
                .iter()
                .map(|(key, value)| (key.value.clone(), value.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// A field of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.branch {
            Branch::Map(map) => map.iter().find(|(k, _)| k.value == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A field's text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.branch {
            Branch::Leaf(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Where the value of a path like `spec.containers[0].image` stands, or what is left of the path there.
    pub fn find(&self, path: &str) -> Span {
        let mut at = self;
        let mut span = self.head();
        for step in path.split(['.', '[']) {
            let step = step.trim_end_matches(']').trim_matches('"');
            let next = match (&at.branch, step.parse::<usize>()) {
                (Branch::List(list), Ok(index)) => list.get(index).map(|tree| (tree, tree.head())),
                (Branch::Map(map), _) => {
                    map.iter()
                        .find(|(key, _)| key.value == step)
                        .map(|(key, tree)| match tree.branch {
                            Branch::Leaf(_) => (tree, tree.span.clone()),
                            _ => (tree, key.span.clone()),
                        })
                }
                _ => None,
            };
            let Some((tree, place)) = next else { break };
            (at, span) = (tree, place);
        }
        span
    }

    /// Where the value begins: for a map, its first key.
    pub fn head(&self) -> Span {
        match &self.branch {
            Branch::Leaf(_) => self.span.clone(),
            Branch::List(list) => list.first().map_or_else(|| self.span.clone(), Self::head),
            Branch::Map(map) => map
                .first()
                .map_or_else(|| self.span.clone(), |(key, _)| key.span.clone()),
        }
    }
}

fn span_of(location: &Location) -> Span {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(span.offset());
    let len = span.byte_len().unwrap_or(span.len());
    let start = usize::try_from(start).unwrap_or(0);
    start..start.saturating_add(usize::try_from(len).unwrap_or(0))
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Branch>::deserialize(deserializer)?;
        Ok(Self {
            span: span_of(&spanned.referenced),
            branch: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Branch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Branch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Branch, E> {
                Ok(Branch::Leaf(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Branch, E> {
                Ok(Branch::Leaf(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Branch, E> {
                Ok(Branch::Leaf(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Branch, E> {
                Ok(Branch::Leaf(
                    Number::from_f64(value).map_or(Value::Null, Value::Number),
                ))
            }

            fn visit_str<E>(self, value: &str) -> Result<Branch, E> {
                Ok(Branch::Leaf(value.into()))
            }

            fn visit_unit<E>(self) -> Result<Branch, E> {
                Ok(Branch::Leaf(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Branch, E> {
                Ok(Branch::Leaf(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Branch, D::Error> {
                Branch::deserialize(inner)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Branch, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Branch::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Branch, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let placed = Placed {
                        span: span_of(&key.referenced),
                        value: key.value,
                    };
                    entries.push((placed, map.next_value()?));
                }
                Ok(Branch::Map(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "a: 1\n---\nkind: Pod\nspec:\n  containers:\n  - name: c\n    image: ñ\n";
        let source = Source::new("f.yaml", text);
        let trees = Tree::read(&source).unwrap();
        assert_eq!(trees.len(), 2);
        for (path, expected) in [
            ("kind", "Pod"),
            ("spec.containers[0].name", "c"),
            ("spec.containers[0].image", "ñ"),
            ("spec.containers[0]", "name"),
            ("spec.containers[0].ports[3]", "name"),
            ("spec.nothing", "spec"),
        ] {
            assert_eq!(&text[trees[1].find(path)], expected, "{path}");
        }
    }

    #[test]
    fn scalars_mean_what_kubernetes_reads() {
        let text = "[1, 1.5, \"1\", true, null, 0644, x]";
        let source = Source::new("f.yaml", text);
        let value = Tree::read(&source).unwrap()[0].to_value();
        assert_eq!(
            value,
            serde_json::json!([1, 1.5, "1", true, null, 420, "x"])
        );
    }
}
