//! Just enough of PostgreSQL's protocol to run a statement, with trust authentication and without parameters or results.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Runs one statement as `postgres` in the `postgres` database of the server on 127.0.0.1.
pub fn execute(port: u16, statement: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(
        &SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        Duration::from_secs(5),
    )
    .context("PostgreSQL does not answer")?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut start = 196_608_u32.to_be_bytes().to_vec();
    start.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
    stream.write_all(&with_length(&start))?;
    until_ready(&mut stream)?;
    stream.write_all(b"Q")?;
    stream.write_all(&with_length(&[statement.as_bytes(), b"\0"].concat()))?;
    until_ready(&mut stream).with_context(|| format!("PostgreSQL refused {statement}"))?;
    stream.write_all(&[b'X', 0, 0, 0, 4])?;
    Ok(())
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("statements are short");
    [&length.to_be_bytes(), body].concat()
}

fn until_ready(stream: &mut TcpStream) -> Result<()> {
    let mut refusal = None;
    loop {
        let mut head = [0; 5];
        match stream.read_exact(&mut head) {
            Ok(()) => {}
            // A fatal error is followed by the end of the connection.
            Err(error) => match refusal {
                Some(words) => bail!("{words}"),
                None => return Err(error).context("PostgreSQL broke off"),
            },
        }
        let [kind, a, b, c, d] = head;
        let mut body = vec![0; (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match kind {
            b'E' => refusal = Some(message(&body)),
            b'R' if body != [0; 4] => bail!("PostgreSQL asks for a password, the rig has none"),
            b'Z' => return refusal.map_or(Ok(()), |words| bail!("{words}")),
            _ => {}
        }
    }
}

/// An error's fields are one letter and a zero-terminated text each; `M` is the message.
fn message(body: &[u8]) -> String {
    body.split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"M"))
        .map_or_else(
            || "an error without a message".to_owned(),
            |text| String::from_utf8_lossy(text).into_owned(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_error_is_found_among_its_fields() {
        assert_eq!(
            message(b"SERROR\0C42P04\0Mdatabase exists\0\0"),
            "database exists"
        );
        assert_eq!(message(b"\0"), "an error without a message");
    }
}
