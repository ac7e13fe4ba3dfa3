//! A TCP proxy that cuts a connection exactly when asked to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The request never arrives.
    BeforeRequest,
    /// Half of the request arrives.
    WithinRequest,
    /// The request is carried out, its answer is lost.
    BeforeAnswer,
}

type Armed = Arc<Mutex<Option<(Cut, &'static [u8])>>>;

pub struct Proxy {
    pub port: u16,
    armed: Armed,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            armed: Armed::default(),
        };
        let armed = proxy.armed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let armed = armed.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    carry(client, server, armed).await;
                });
            }
        });
        proxy
    }

    /// Cuts the next connection that sends `words`, once.
    pub fn arm(&self, cut: Cut, words: &'static [u8]) {
        *self.armed.lock().unwrap() = Some((cut, words));
    }

    pub fn has_cut(&self) -> bool {
        self.armed.lock().unwrap().is_none()
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, armed: Armed) {
    let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let request = &asked[..length];
                match triggered(&armed, request) {
                    None => if server.write_all(request).await.is_err() { return },
                    Some(Cut::BeforeRequest) => return,
                    Some(Cut::WithinRequest) => {
                        let _ = server.write_all(&request[..length / 2]).await;
                        return;
                    }
                    Some(Cut::BeforeAnswer) => {
                        let _ = server.write_all(request).await;
                        let _ = server.read(&mut answered).await;
                        return;
                    }
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() { return }
            }
        }
    }
}

fn triggered(armed: &Armed, request: &[u8]) -> Option<Cut> {
    let mut armed = armed.lock().unwrap();
    let (cut, words) = (*armed)?;
    let found = request.windows(words.len()).any(|window| window == words);
    if found {
        *armed = None;
    }
    found.then_some(cut)
}
