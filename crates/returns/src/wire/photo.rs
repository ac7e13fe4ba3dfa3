//! Links to photos. Nobody here opens them, but people and the ERP will: none may lead into a network of ours.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

const MOST: usize = 2048;
const BEGIN: &str = "https://";
/// Names that mean this machine or this network, whoever asks.
const INSIDE: [&str; 15] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "home",
    "home.arpa",
    "lan",
    "corp",
    "mail",
    "svc",
    "test",
    "invalid",
    "onion",
];

/// The link as programs read it, which is what was looked at, and no other way of writing it.
///
/// # Errors
/// Why it is none. Does not repeat it: it may be personal.
pub fn link(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.chars().count() > MOST {
        return Err("is longer than 2048 characters");
    }
    if text.chars().any(char::is_control) || text.contains(' ') {
        return Err("holds a character that is not allowed");
    }
    // Programs differ in what they make of either: one's path is another's host.
    if text.contains('\\') {
        return Err("holds a character that is not allowed");
    }
    let begins = text.get(..BEGIN.len());
    if !begins.is_some_and(|begin| begin.eq_ignore_ascii_case(BEGIN)) {
        return Err("does not begin with https://");
    }
    let url = Url::parse(text).map_err(|_| "is no link")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password");
    }
    let is_public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => false,
    };
    if !is_public {
        return Err("leads to an internal address");
    }
    if url.as_str().len() > MOST {
        return Err("is longer than 2048 characters");
    }
    Ok(url.into())
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_lowercase();
    let is_inside = |inside: &&str| {
        name == **inside
            || name
                .strip_suffix(*inside)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let is_given_out = name.rsplit_once('.').is_some_and(|(rest, last)| {
        let is_word = last.len() > 1 && last.chars().all(|letter| letter.is_ascii_alphabetic());
        !rest.is_empty() && (is_word || last.starts_with("xn--"))
    });
    is_given_out && !INSIDE.iter().any(is_inside)
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_protocol = first == 192 && second == 0 && third == 0;
    let is_benchmark = first == 198 && (18..20).contains(&second);
    let is_reserved = first == 0 || first >= 224;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || is_shared
        || is_protocol
        || is_benchmark
        || is_reserved)
}

/// Only what is given out to the world, without the parts that stand for other addresses.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_special = first == 0x2001 && (second < 0x0200 || second == 0x0db8);
    let is_6to4 = first == 0x2002;
    is_global && !is_special && !is_6to4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_https_link_is_taken_as_programs_read_it() {
        for text in [
            "https://photos.example.com/1.jpg?x=1#y",
            " https://photos.example.com:8443/1 ",
            "https://1.1.1.1/a",
            "https://[2606:4700:4700::1111]/a",
        ] {
            assert_eq!(link(text), Ok(text.trim().to_owned()), "{text}");
        }
        for (text, read) in [
            ("HTTPS://Photos.Example.com", "https://photos.example.com/"),
            (
                "https://müller.example/ä/../b",
                "https://xn--mller-kva.example/b",
            ),
            (
                "https:///photos.example.com/a",
                "https://photos.example.com/a",
            ),
        ] {
            assert_eq!(link(text), Ok(read.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_link_into_a_network_of_ours_is_refused_however_it_is_written() {
        for text in [
            "https://localhost/a",
            "https://LOCALHOST./a",
            "https://a.localhost/a",
            "https://printer.local/a",
            "https://erp.internal/a",
            "https://kubernetes.default.svc/a",
            "https://kubernetes.default.svc.cluster.local/a",
            "https://erp.localdomain/a",
            "https://erp.corp/a",
            "https://erp.home/a",
            "https://erp.private./a",
            "https://erp.x1/a",
            "https://.com/a",
            "https://ⓛocalhost/a",
            "https://erp/a",
            "https://127.0.0.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://0x7f000001/a",
            "https://0/a",
            "https://10.0.0.1/a",
            "https://172.16.0.1/a",
            "https://192.168.1.1/a",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/a",
            "https://224.0.0.1/a",
            "https://[::1]/a",
            "https://[::]/a",
            "https://[fe80::1]/a",
            "https://[fd00::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[64:ff9b::a00:1]/a",
            "https://[2002:7f00:1::]/a",
        ] {
            assert_eq!(link(text), Err("leads to an internal address"), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_https_link_is_refused() {
        for text in [
            "http://photos.example.com/1.jpg",
            "ftp://photos.example.com/1.jpg",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "photos.example.com/1.jpg",
            "",
            "https://user@photos.example.com/1",
            "https://user:secret@photos.example.com/1",
            "https://photos.example.com/a b",
            "https://",
            "https:photos.example.com/1",
            "https:/photos.example.com/1",
            r"https://photos.example.com\@169.254.169.254/x",
            r"https:\\photos.example.com\1",
        ] {
            assert!(link(text).is_err(), "{text}");
        }
        assert!(link(&format!("https://a.example/{}", "x".repeat(2048))).is_err());
        // Written as programs read it, it is three times as long.
        assert!(link(&format!("https://a.example/{}", "ä".repeat(1000))).is_err());
    }
}
