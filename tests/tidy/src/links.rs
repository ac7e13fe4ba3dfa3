//! Links between the documents lead somewhere.

use crate::Complaint;

/// Relative link targets in a Markdown text that `exists` (path from the root) does not know.
pub fn dead_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Complaint> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    text.match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split([')', '#', '\n']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter_map(|target| {
            let from_root = joined(folder, target);
            let words = format!("links to {target}, which is not there");
            (!exists(&from_root)).then(|| Complaint::new(path, words))
        })
        .collect()
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_from_its_own_folder() {
        let exists = |path: &str| ["README.md", "crates/erp/README.md"].contains(&path);
        let text = "[a](../../README.md#x) [b](README.md) [c](https://example.com) [d](gone.md) [e](#here)";
        let found = dead_links("crates/erp/README.md", text, exists);
        assert_eq!(found.len(), 1);
        assert!(found[0].words.contains("gone.md"));
    }
}
