//! The servers' packages: from Maven Central into `.test/servers`, once.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{place, report};

const PACKAGES: &str = include_str!("../servers/pom.xml");
const UNPACK: &str = include_str!("../servers/Unpack.java");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Where the fetched things are.
pub struct Packages {
    /// The folder with PostgreSQL's `bin`, `lib` and `share`.
    pub postgres: PathBuf,
    /// The folder with Kafka's jars.
    pub kafka: PathBuf,
    /// The Java that runs Kafka.
    pub java: PathBuf,
}

/// Fetches PostgreSQL and Kafka unless they are here; then nothing but a look at a file happens.
pub fn fetch() -> Result<Packages> {
    let servers = place::base()?.join("servers");
    place::create(&servers)?;
    let mut version = DefaultHasher::new();
    (PACKAGES, UNPACK).hash(&mut version);
    let home = servers.join(format!("{:016x}", version.finish()));
    let packages = Packages {
        postgres: home.join("postgres"),
        kafka: home.join("kafka"),
        java: java()?,
    };
    let complete = home.join("complete");
    if complete.exists() {
        return Ok(packages);
    }
    // Several test processes may come here at once; the first one works.
    let _door = place::locked(&servers.join("door"))?;
    if complete.exists() {
        return Ok(packages);
    }
    report("fetching PostgreSQL and Kafka from Maven Central (once, about 60 MB)");
    place::create(&home)?;
    copy_jars(&home, &packages)?;
    unpack_postgres(&packages)?;
    fs::write(&complete, "").context("could not note that the packages are complete")?;
    Ok(packages)
}

fn copy_jars(home: &Path, packages: &Packages) -> Result<()> {
    let project = home.join("pom.xml");
    fs::write(&project, PACKAGES).context("could not write the packages' list")?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&project)
        .arg(COPY);
    maven
        .arg(prefixed("-DoutputDirectory=", &packages.kafka))
        .arg("-DincludeScope=runtime");
    if cfg!(target_arch = "aarch64") {
        maven.arg("-Dpostgres.platform=linux-arm64v8");
    }
    let output = maven
        .stdin(Stdio::null())
        .output()
        .context("could not start mvn; `make test` needs a JDK (17 or newer) and Maven")?;
    if !output.status.success() {
        bail!(
            "mvn could not fetch the tests' servers:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn unpack_postgres(packages: &Packages) -> Result<()> {
    let is_postgres = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            name.to_string_lossy()
                .starts_with("embedded-postgres-binaries")
        })
    };
    let jars = fs::read_dir(&packages.kafka).context("could not list the fetched jars")?;
    let jar = jars
        .flatten()
        .map(|entry| entry.path())
        .find(is_postgres)
        .context("Maven fetched no PostgreSQL")?;
    place::create(&packages.postgres)?;
    let program = packages.postgres.join("Unpack.java");
    fs::write(&program, UNPACK).context("could not write the unpacking program")?;

    let mut java = Command::new(&packages.java);
    java.arg("-cp")
        .arg(format!("{}/*", packages.kafka.display()))
        .arg(&program)
        .arg(&jar);
    let mut unpacking = java
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start java")?;
    let tar = unpacking
        .stdout
        .take()
        .expect("standard output was asked for");
    let mut untar = Command::new("tar");
    untar
        .args(["--extract", "--no-same-owner", "--file", "-", "--directory"])
        .arg(&packages.postgres);
    let unpacked = untar.stdin(tar).status().context("could not start tar")?;
    if !unpacking
        .wait()
        .context("could not wait for java")?
        .success()
        || !unpacked.success()
    {
        bail!("could not unpack {}", jar.display());
    }
    fs::remove_file(&jar).context("could not remove the unpacked jar")
}

/// `$JAVA_HOME`, then the search path, then the usual folder of distributions.
fn java() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("JAVA_HOME").map(PathBuf::from)
        && home.join("bin/java").exists()
    {
        return Ok(home.join("bin/java"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|folder| folder.join("java"))
        .collect();
    candidates.extend(
        fs::read_dir("/usr/lib/jvm")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin/java")),
    );
    candidates
        .into_iter()
        .find(|java| java.exists())
        .context("found no java; `make test` needs a JDK (17 or newer) and Maven")
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(path);
    word
}
