//! Rules about the source itself.

use std::path::Path;

fn visit(folder: &Path, check: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, check);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            check(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn colours_are_named_in_the_theme_alone() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui");
    let needle = ["Color", "::"].concat();
    let mut files = 0;
    visit(&room, &mut |path, text| {
        files += 1;
        let theme = path.ends_with("theme.rs") || path.ends_with("theme/depth.rs");
        if !theme {
            assert!(!text.contains(&needle), "{} names a colour", path.display());
        }
    });
    assert!(files > 20);
}
