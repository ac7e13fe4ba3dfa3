//! A little issuer over HTTP, in whatever mood a test wants.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the issuer answers.
#[derive(Clone)]
pub enum Mood {
    Answers(Vec<Value>),
    Breaks,
    Floods,
    Redirects,
}

pub struct Office {
    pub address: String,
    mood: Mutex<Mood>,
    asked: Mutex<u32>,
}

impl Office {
    pub async fn open(mood: Mood) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let office = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            mood: Mutex::new(mood),
            asked: Mutex::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(office.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        office
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

async fn discovery(State(office): State<Arc<Office>>) -> Response {
    let address = &office.address;
    let about = json!({ "issuer": address, "jwks_uri": format!("{address}/keys") });
    axum::Json(about).into_response()
}

async fn keys(State(office): State<Arc<Office>>) -> Response {
    *office.asked.lock().unwrap() += 1;
    let mood = office.mood.lock().unwrap().clone();
    match mood {
        Mood::Answers(keys) => axum::Json(json!({ "keys": keys })).into_response(),
        Mood::Breaks => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Floods => {
            let chunk = Ok::<_, Infallible>(bytes::Bytes::from(vec![b' '; 1 << 16]));
            Body::from_stream(futures::stream::repeat_with(move || chunk.clone())).into_response()
        }
        Mood::Redirects => axum::response::Redirect::to("http://169.254.169.254/").into_response(),
    }
}
