//! A shop's server, byte by byte: it answers what the test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Answers this and closes.
    Says(&'static str),
    /// A head, byte by byte, for ever.
    DripsItsHead,
    /// A good head, and then a body byte by byte, for ever.
    DripsItsBody,
    /// A good head and as many bytes as anybody takes.
    NeverStops,
    /// Accepts and says nothing.
    IsSilent,
}

pub struct Shop {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    /// Bytes of answers it got rid of.
    sent: Arc<Mutex<u64>>,
    serving: JoinHandle<()>,
}

impl Shop {
    pub async fn that(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let sent = Arc::<Mutex<u64>>::default();
        let (remembered, counted) = (asked.clone(), sent.clone());
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(
                    connection,
                    manner,
                    remembered.clone(),
                    counted.clone(),
                ));
            }
        });
        Self {
            address,
            asked,
            sent,
            serving,
        }
    }

    /// Whole requests, head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn sent(&self) -> u64 {
        *self.sent.lock().unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut connection: TcpStream,
    manner: Manner,
    asked: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<u64>>,
) {
    let request = request(&mut connection).await;
    asked.lock().unwrap().push(request);
    let drip = async |connection: &mut TcpStream, byte: &[u8]| {
        let mut often = tokio::time::interval(Duration::from_millis(20));
        loop {
            often.tick().await;
            if connection.write_all(byte).await.is_err() {
                return;
            }
        }
    };
    match manner {
        Manner::Says(answer) => {
            let _ = connection.write_all(answer.as_bytes()).await;
        }
        Manner::DripsItsHead => {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ").await;
            drip(&mut connection, b"x").await;
        }
        Manner::DripsItsBody => {
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                .await;
            drip(&mut connection, b"x").await;
        }
        Manner::NeverStops => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
            let _ = connection.write_all(head).await;
            let block = [b'x'; 64 << 10];
            while connection.write_all(&block).await.is_ok() {
                *sent.lock().unwrap() += block.len() as u64;
            }
        }
        Manner::IsSilent => std::future::pending().await,
    }
}

async fn request(connection: &mut TcpStream) -> String {
    let (mut read, mut block) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                return text;
            }
        }
        let count = connection.read(&mut block).await.unwrap_or_default();
        if count == 0 {
            return text;
        }
        read.extend_from_slice(&block[..count]);
    }
}
