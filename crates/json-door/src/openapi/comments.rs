//! What stands above a definition in its proto.

use std::collections::HashMap;

use prost_reflect::FileDescriptor;

/// The comments of files that were asked about.
#[derive(Default)]
pub struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    /// The comment above the definition at this path of the file; empty where there is none.
    pub fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> String {
        let comments = self
            .0
            .entry(file.name().to_owned())
            .or_insert_with(|| read(file));
        comments.get(path).cloned().unwrap_or_default()
    }
}

fn read(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    let places = file.file_descriptor_proto().source_code_info.iter();
    let places = places.flat_map(|info| &info.location);
    places
        .filter_map(|place| {
            Some((
                place.path.clone(),
                paragraphs(place.leading_comments.as_ref()?),
            ))
        })
        .collect()
}

/// Lines are broken for whoever reads the proto; here only paragraphs count.
fn paragraphs(comment: &str) -> String {
    let mut text = String::new();
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            text = text.trim_end().to_owned() + "\n\n";
        } else {
            text.push_str(line);
            text.push(' ');
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_paragraphs_kept() {
        let comment = " Takes an order;\n durable once answered.\n\n Repeats do nothing.\n";
        let text = "Takes an order; durable once answered.\n\nRepeats do nothing.";
        assert_eq!(paragraphs(comment), text);
    }
}
