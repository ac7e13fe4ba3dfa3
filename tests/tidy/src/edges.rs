//! Who may depend on whom, read from the manifests.

use crate::Complaint;

/// One package's manifest, as far as its rules need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub path: String,
    pub name: String,
    /// Our own packages in `[dependencies]` and `[build-dependencies]`.
    pub uses: Vec<String>,
    /// Our own packages in `[dev-dependencies]`.
    pub tests_with: Vec<String>,
}

impl Manifest {
    pub fn read(path: &str, text: &str) -> Manifest {
        let mut manifest = Manifest {
            path: path.to_owned(),
            name: String::new(),
            uses: Vec::new(),
            tests_with: Vec::new(),
        };
        for (section, key, value) in entries(text) {
            let key = key.trim_end_matches(".workspace");
            match section {
                "package" if key == "name" => manifest.name = value.trim_matches('"').to_owned(),
                "dependencies" | "build-dependencies" if key.starts_with("millrace") => {
                    manifest.uses.push(key.to_owned())
                }
                "dev-dependencies" if key.starts_with("millrace") => {
                    manifest.tests_with.push(key.to_owned())
                }
                _ => {}
            }
        }
        manifest
    }
}

const SERVICES: [&str; 7] = [
    "millrace-catalog-sync",
    "millrace-customer-sync",
    "millrace-order-intake",
    "millrace-stock-availability",
    "millrace-reservation",
    "millrace-returns",
    "millrace-shop-delivery",
];

const FOR_SERVICES: [&str; 9] = [
    "millrace-values",
    "millrace-contract",
    "millrace-service-kit",
    "millrace-event-store",
    "millrace-event-bus",
    "millrace-erp",
    "millrace-erp-reader",
    "millrace-erp-poster",
    "millrace-operations",
];

/// It passes on what others have read of the ERP, and must run without it.
const FOR_SHOP_DELIVERY: [&str; 6] = [
    "millrace-values",
    "millrace-contract",
    "millrace-service-kit",
    "millrace-event-store",
    "millrace-event-bus",
    "millrace-doorbell",
];

/// What a room may be built on; `None` for a room this table does not know.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "millrace-contract" | "millrace-service-kit" | "millrace-test-rig" | "millrace-tidy" => {
            Some(&[])
        }
        "millrace-values" => Some(&["millrace-contract"]),
        "millrace-event-store" => Some(&["millrace-service-kit"]),
        "millrace-event-bus" => Some(&["millrace-service-kit", "millrace-event-store"]),
        "millrace-erp" => Some(&["millrace-values", "millrace-service-kit"]),
        "millrace-erp-reader" => Some(&[
            "millrace-values",
            "millrace-service-kit",
            "millrace-event-store",
            "millrace-erp",
        ]),
        "millrace-erp-poster" => Some(&["millrace-service-kit", "millrace-event-store"]),
        "millrace-doorbell" | "millrace-json-door" => Some(&["millrace-service-kit"]),
        "millrace-operations" => Some(&[
            "millrace-values",
            "millrace-contract",
            "millrace-service-kit",
            "millrace-event-store",
            "millrace-event-bus",
            "millrace-erp",
        ]),
        // A product of its own: what it computes must not come from what it is used to test.
        "millrace-erp-simulator" => Some(&["millrace-service-kit"]),
        "millrace-console" => Some(&[
            "millrace-values",
            "millrace-contract",
            "millrace-service-kit",
        ]),
        "millrace-shop-delivery" => Some(&FOR_SHOP_DELIVERY),
        service if SERVICES.contains(&service) => Some(&FOR_SERVICES),
        _ => None,
    }
}

/// Edges between our packages that the table of rooms does not allow.
pub fn forbidden_edges(manifests: &[Manifest]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for manifest in manifests {
        // The binary, the journeys and the benches put everything together.
        if ["millrace", "millrace-bench"].contains(&manifest.name.as_str()) {
            continue;
        }
        let Some(allowed) = allowed(&manifest.name) else {
            complaints.push(Complaint::new(
                &manifest.path,
                format!(
                    "{} is a room the table in tests/tidy/src/edges.rs does not know",
                    manifest.name
                ),
            ));
            continue;
        };
        for used in manifest
            .uses
            .iter()
            .filter(|used| !allowed.contains(&used.as_str()))
        {
            complaints.push(Complaint::new(
                &manifest.path,
                format!("{} must not depend on {used}", manifest.name),
            ));
        }
        for used in manifest
            .tests_with
            .iter()
            .filter(|used| SERVICES.contains(&used.as_str()) && **used != manifest.name)
        {
            complaints.push(Complaint::new(
                &manifest.path,
                format!(
                    "{} tests itself alone; a journey with {used} belongs in tests/stories",
                    manifest.name
                ),
            ));
        }
        if manifest.name == "millrace-erp-simulator" {
            for used in manifest
                .tests_with
                .iter()
                .filter(|used| ["millrace-erp", "millrace-values"].contains(&used.as_str()))
            {
                complaints.push(Complaint::new(
                    &manifest.path,
                    format!("the simulator shares nothing with {used}, not even in its tests"),
                ));
            }
        }
    }
    complaints
}

/// Every package takes the workspace's lints and the workspace's versions.
pub fn manifest_habits(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if !entries(text)
        .any(|(section, key, value)| section == "lints" && key == "workspace" && value == "true")
    {
        complaints.push(Complaint::new(
            path,
            "must take the lints of the workspace (`[lints] workspace = true`)",
        ));
    }
    for (section, key, value) in entries(text) {
        let from_workspace = key.ends_with(".workspace") || value.contains("workspace = true");
        if section.ends_with("dependencies") && !from_workspace {
            complaints.push(Complaint::new(
                path,
                format!("takes {key} from elsewhere; versions stand in the root's Cargo.toml only"),
            ));
        }
    }
    complaints
}

/// `(section, key, value)` of each line; our manifests are plain enough for that.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.lines().map(str::trim).filter_map(move |line| {
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = header.trim_matches(['[', ']']);
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (!line.starts_with('#')).then(|| (section, key.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, uses: &[&str], tests_with: &[&str]) -> Manifest {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Manifest {
            path: "Cargo.toml".to_owned(),
            name: name.to_owned(),
            uses: owned(uses),
            tests_with: owned(tests_with),
        }
    }

    #[test]
    fn a_manifest_is_read_by_its_sections() {
        let text = "[package]\nname = \"millrace-erp\"\n[dependencies]\nmillrace-values.workspace = true\nserde = { workspace = true }\n[dev-dependencies]\nmillrace-erp-simulator.workspace = true\n";
        assert_eq!(
            Manifest::read("Cargo.toml", text),
            manifest(
                "millrace-erp",
                &["millrace-values"],
                &["millrace-erp-simulator"]
            )
        );
    }

    #[test]
    fn services_never_depend_on_each_other() {
        let found = forbidden_edges(&[manifest(
            "millrace-order-intake",
            &["millrace-values", "millrace-catalog-sync"],
            &["millrace-returns"],
        )]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn shop_delivery_knows_no_erp() {
        let found = forbidden_edges(&[manifest(
            "millrace-shop-delivery",
            &["millrace-event-bus", "millrace-erp", "millrace-erp-reader"],
            &[],
        )]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn the_simulator_shares_nothing_with_what_it_tests() {
        let found = forbidden_edges(&[manifest(
            "millrace-erp-simulator",
            &["millrace-erp"],
            &["millrace-values"],
        )]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn an_unknown_room_asks_for_its_line_in_the_table() {
        assert_eq!(
            forbidden_edges(&[manifest("millrace-attic", &[], &[])]).len(),
            1
        );
    }

    #[test]
    fn a_version_of_ones_own_and_missing_lints_are_found() {
        assert_eq!(
            manifest_habits(
                "Cargo.toml",
                "[dependencies]\nserde = \"1\"\nbytes.workspace = true\n"
            )
            .len(),
            2
        );
        assert_eq!(
            manifest_habits(
                "Cargo.toml",
                "[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n"
            ),
            []
        );
    }
}
