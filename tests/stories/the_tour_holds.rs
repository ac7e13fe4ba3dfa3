//! `millrace demo --exit-after-tour`, as a new user runs it, on ports of its own; twice, because the second goes on with the
//! data of the first.

use std::process::Command;

use crate::world::free_address;

#[test]
fn the_tour_holds_and_a_second_one_goes_on_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--fresh"][..], &[]] {
        let output = Command::new(env!("CARGO_BIN_EXE_millrace"))
            .args([
                "demo",
                "--exit-after-tour",
                "--simulator",
                &free_address().to_string(),
            ])
            .args(arguments)
            .env("MILLRACE_DATA_DIR", folder.path().join("demo"))
            .env("MILLRACE_GRPC__LISTEN", free_address().to_string())
            .env("MILLRACE_MONITORING__LISTEN", free_address().to_string())
            .env("MILLRACE_HOOKS__LISTEN", free_address().to_string())
            .output()
            .unwrap();
        let (told, failed) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{told}\n{failed}");
        assert!(told.contains("Every step held."), "{told}");
    }
}
