//! The forms of names (`apimachinery/pkg/util/validation`). Each function lists what is wrong with a name, in upstream's
//! words.

/// Longest DNS label.
const LABEL: usize = 63;
/// Longest DNS subdomain.
const SUBDOMAIN: usize = 253;

fn too_long(most: usize) -> String {
    format!("must be no more than {most} characters")
}

fn form(rule: &str, examples: &[&str], regex: &str) -> String {
    let examples: String = examples
        .iter()
        .map(|e| format!("'{e}', "))
        .collect::<Vec<_>>()
        .join(" or ");
    format!("{rule} (e.g. {examples}regex used for validation is '{regex}')")
}

const fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether it is lower-case letters, digits and hyphens, with no hyphen at either end.
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|b| is_lower(*b));
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|b| is_lower(*b) || *b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A DNS label (RFC 1123): most names of parts of objects.
#[must_use]
pub fn dns_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL {
        errors.push(too_long(LABEL));
    }
    if !is_label(text) {
        errors.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            form(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                &["my-name", "123-abc"],
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            )
        });
    }
    errors
}

/// A DNS subdomain (RFC 1123): most names of objects.
#[must_use]
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > SUBDOMAIN {
        errors.push(too_long(SUBDOMAIN));
    }
    if !is_subdomain(text) {
        errors.push(form(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &["example.com"],
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        ));
    }
    errors
}

/// A DNS label of RFC 1035, which begins with a letter: names of services.
#[must_use]
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL {
        errors.push(too_long(LABEL));
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        errors.push(form(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
            "[a-z]([-a-z0-9]*[a-z0-9])?",
        ));
    }
    errors
}

/// Whether it is letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// A qualified name: the key of a label, a taint, a finalizer.
#[must_use]
pub fn qualified_name(text: &str) -> Vec<String> {
    const REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    const RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                let of_prefix = dns_subdomain(prefix).into_iter();
                errors.extend(of_prefix.map(|error| format!("prefix part {error}")));
            }
            name
        }
        _ => {
            let rule = form(&format!("a valid label key {RULE}"), &EXAMPLES, REGEX);
            let prefix =
                "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("{rule} {prefix}")];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL {
        errors.push(format!("name part must be no more than {LABEL} bytes"));
    }
    if !is_word(name) {
        errors.push(form(&format!("name part {RULE}"), &EXAMPLES, REGEX));
    }
    errors
}

/// The value of a label.
#[must_use]
pub fn label_value(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > LABEL {
        errors.push(format!("must be no more than {LABEL} bytes"));
    }
    if !text.is_empty() && !is_word(text) {
        errors.push(form(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
        ));
    }
    errors
}

/// The name of an environment variable.
#[must_use]
pub fn variable(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.is_empty() {
        errors.push("environment variable name must be non-empty".to_owned());
    }
    let printable = |c: char| (c.is_ascii_graphic() || c == ' ') && c != '=';
    if !text.chars().all(printable) {
        errors.push("a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned());
    }
    errors
}

/// The name of a port.
#[must_use]
pub fn port(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let mut unless = |holds: bool, error: &str| {
        if !holds {
            errors.push(error.to_owned());
        }
    };
    unless(text.len() <= 15, &too_long(15));
    let all = !text.is_empty() && text.bytes().all(|b| is_lower(b) || b == b'-');
    unless(
        all,
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    let letter = text.bytes().any(|b| b.is_ascii_lowercase());
    unless(letter, "must contain at least one letter (a-z)");
    unless(!text.contains("--"), "must not contain consecutive hyphens");
    let ends = text.starts_with('-') || text.ends_with('-');
    unless(!ends, "must not begin or end with a hyphen");
    errors
}

/// The key of a config map's entry.
#[must_use]
pub fn config_key(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > SUBDOMAIN {
        errors.push(too_long(SUBDOMAIN));
    }
    let is_key = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if text.is_empty() || !text.bytes().all(is_key) {
        errors.push(form(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            &["key.name", "KEY_NAME", "key-name"],
            "[-._a-zA-Z0-9]+",
        ));
    }
    match text {
        "." => errors.push("must not be '.'".to_owned()),
        ".." => errors.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&str) -> Vec<String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Vec::<String>::new(), "{text}");
        }
        for text in bad {
            assert!(!rule(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn names_have_the_forms_of_kubernetes() {
        let long = "a".repeat(64);
        check(
            dns_label,
            &["a", "a-1", "1a"],
            &["", "A", "-a", "a.b", "a_b", &long],
        );
        check(
            dns_subdomain,
            &["a", "a.b-c", &long],
            &["", ".a", "a..b", "a/b"],
        );
        check(dns_1035_label, &["a", "a1"], &["1a", "", "a.b"]);
        check(
            qualified_name,
            &["a", "A_b.c", "x.io/A"],
            &["", "a b", "/a", "a/", "a/b/c"],
        );
        check(label_value, &["", "a", "A_b.c"], &["a b", "-a", &long]);
        check(variable, &["A", "a.b", "1", "A B"], &["", "A=B", "ä"]);
        check(
            port,
            &["http", "h2", "a-b"],
            &["", "80", "a--b", "-a", "Http", "abcdefghijklmnop"],
        );
        check(
            config_key,
            &["a", ".a", "A_b-c"],
            &["", ".", "..", "..a", "a/b"],
        );
    }
}
