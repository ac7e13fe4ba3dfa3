//! Connections and the way of a request: fault, token, limits, work, answer.
//!
//! hyper is used directly, because a lost answer must really be none: the connection ends without a byte.

pub mod answer;
mod batch;
mod call;
pub mod limits;
pub mod token;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use self::answer::Answer;
use self::call::parse;
pub(crate) use self::call::{Call, Segment};
use crate::faults::{self, Kind, Occasion, Rule, When};
use crate::refusal::Refusal;
use crate::simulator::World;
use crate::{companion, entities, office};

/// Largest body, as in BC.
const LARGEST_BODY: usize = 350 * 1024 * 1024;

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost")]
struct Lost;

/// Accepts connections until the shutdown, then lets those in hand finish.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = world.shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = world.clone();
                world
                    .tasks
                    .spawn(async move { connection(served, stream).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(world: Arc<World>, stream: TcpStream) {
    // Answers are small; waiting for more to send would only add latency.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay could not be set");
    }
    let service = service_fn(|request| handle(world.clone(), request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = world.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The work runs in a task of its own: as in BC, a client that hangs up does not stop what it asked for.
async fn handle(
    world: Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let task = world.tasks.spawn(answer(world.clone(), request));
    let outcome = task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request failed");
        Ok(Answer::refused(
            &Refusal::new(500, "Internal_ServerError", "The server failed."),
            uuid::Uuid::nil(),
        ))
    });
    let answer = outcome?;
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = http::StatusCode::from_u16(answer.status)
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Answer, Lost> {
    let (head, body) = request.into_parts();
    let refuse = |refusal: &Refusal| Answer::refused(refusal, world.ids.uuid_at(world.now()));
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(refuse(&Refusal::new(
                413,
                "BadRequest_TooLarge",
                "The request is too large.",
            )));
        }
    };
    let path = head.uri.path().to_owned();
    let method = head.method.as_str().to_owned();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());

    if let Some(rest) = path.strip_prefix("/_faults") {
        return Ok(faults::serve(&world.faults, &method, rest, &body)
            .unwrap_or_else(|refusal| refuse(&refusal)));
    }
    if let Some(rest) = path.strip_prefix("/_office") {
        return Ok(office::serve(&world, &method, rest, &body)
            .await
            .unwrap_or_else(|refusal| refuse(&refusal)));
    }
    if path.ends_with("/oauth2/v2.0/token") {
        return Ok(token::issue(&world, &path, &body));
    }
    let bearer = header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let unauthorized = Refusal::new(
        401,
        "Authentication_InvalidCredentials",
        "The server has rejected the client credentials.",
    );
    let Some(client) = world.tokens.client(bearer, world.now()) else {
        return Ok(refuse(&unauthorized));
    };
    let occasion = Occasion {
        method: &method,
        path: &path,
        client: &client,
    };
    if let Some(answer) = refused_by_fault(&world, &occasion, bearer) {
        return Ok(answer);
    }
    let _turn = match world.limits.admit(&client).await {
        Ok(turn) => turn,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    let host = header("host").unwrap_or("127.0.0.1");
    let query = head.uri.query().unwrap_or_default();
    let parsed =
        parse(&path, query, header("prefer")).map(|(before, segments, query_options)| Call {
            base: format!("http://{host}{before}"),
            segments,
            raw_query: query.to_owned(),
            query: query_options,
            if_match: header("if-match").map(str::to_owned),
            content_type: header("content-type").unwrap_or_default().to_owned(),
            hold: None,
            prefer: header("prefer").unwrap_or_default().to_owned(),
            snapshot: header("isolation")
                .is_some_and(|isolation| isolation.eq_ignore_ascii_case("snapshot")),
            method: method.clone(),
            path: path.clone(),
            body,
            client: client.clone(),
        });
    let mut call = match parsed {
        Ok(call) => call,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    if method != "GET" {
        call.hold = world.faults.hold(&occasion);
    }
    let astray = world.faults.take(
        &[Kind::SlowAnswer, Kind::GatewayTimeout, Kind::LostAnswer],
        &occasion,
    );
    tracing::debug!(method, path, client, fault = ?astray.as_ref().map(|rule| rule.kind), "a request is served");
    let Some(rule) = astray else {
        return Ok(in_time(&world, call).await);
    };
    go_astray(&world, call, rule).await
}

/// Faults that answer instead of the ERP.
fn refused_by_fault(world: &World, occasion: &Occasion<'_>, bearer: &str) -> Option<Answer> {
    let rule = world.faults.take(
        &[
            Kind::TokenExpired,
            Kind::Throttle,
            Kind::Unavailable,
            Kind::PermissionMissing,
            Kind::ApiOff,
        ],
        occasion,
    )?;
    let refusal = match rule.kind {
        Kind::Throttle => limits::too_many(),
        Kind::PermissionMissing => Refusal::no_permission(occasion.path),
        Kind::ApiOff => Refusal::method_not_allowed("api"),
        Kind::TokenExpired => {
            world.tokens.revoke(bearer);
            Refusal::new(
                401,
                "Authentication_InvalidCredentials",
                "The access token has expired.",
            )
        }
        _ => Refusal::new(
            503,
            "Application_Unavailable",
            "The service is temporarily unavailable.",
        ),
    };
    let mut answer = Answer::refused(&refusal, world.ids.uuid_at(world.now()));
    if let Some(seconds) = rule.retry_after {
        answer = answer.with("retry-after", seconds.to_string());
    }
    Some(answer)
}

async fn go_astray(world: &Arc<World>, call: Call, rule: Rule) -> Result<Answer, Lost> {
    if rule.kind == Kind::SlowAnswer {
        return Ok(slowly(world, call, &rule).await);
    }
    match rule.when {
        When::Before => world.pause(rule.delay).await,
        When::After => {
            in_time(world, call).await;
            world.pause(rule.delay).await;
        }
        // BC ends the operation at its own limit: nothing comes of it afterwards.
        When::Later if rule.delay > world.config.operation_limit => {}
        When::Later => {
            let later = world.clone();
            world.spawn_later(rule.delay, async move {
                in_time(&later, call).await;
            });
        }
    }
    if rule.kind == Kind::LostAnswer {
        return Err(Lost);
    }
    let refusal = Refusal::new(
        504,
        "Application_GatewayTimeout",
        "The gateway did not receive an answer in time.",
    );
    Ok(Answer::refused(&refusal, world.ids.uuid_at(world.now())))
}

/// BC's own time limit ends slow work that has not begun; the gateway's ends the wait for an answer that comes late.
async fn slowly(world: &Arc<World>, call: Call, rule: &Rule) -> Answer {
    let refuse = |status: u16, code: &'static str| {
        Answer::refused(
            &Refusal::new(status, code, "The operation timed out."),
            world.ids.uuid_at(world.now()),
        )
    };
    if rule.when == When::Before {
        if rule.delay > world.config.operation_limit {
            world.pause(world.config.operation_limit).await;
            return refuse(408, "Application_OperationTimeout");
        }
        world.pause(rule.delay).await;
        return in_time(world, call).await;
    }
    let answer = in_time(world, call).await;
    if rule.delay > world.config.gateway_limit {
        world.pause(world.config.gateway_limit).await;
        return refuse(504, "Application_GatewayTimeout");
    }
    world.pause(rule.delay).await;
    answer
}

async fn in_time(world: &Arc<World>, call: Call) -> Answer {
    let is_batch = matches!(call.segments.as_slice(), [only] if only.name == "$batch");
    if is_batch && call.is("POST") {
        let batch = batch::run(world, &call).await;
        return batch
            .unwrap_or_else(|refusal| Answer::refused(&refusal, world.ids.uuid_at(world.now())));
    }
    single(world, call).await
}

/// One operation, alone or out of a batch.
async fn single(world: &Arc<World>, call: Call) -> Answer {
    let outcome = match api_of(&call.base) {
        Api::Standard => entities::serve(world, call).await,
        Api::Companion if world.config.companion => companion::serve(world, call).await,
        Api::Runtime => entities::runtime(world, &call),
        Api::Analytics if world.config.analytics => entities::analytics(world, &call),
        Api::Companion | Api::Analytics | Api::Unknown => Err(Refusal::no_such_segment(&call.path)),
    };
    outcome.unwrap_or_else(|refusal| Answer::refused(&refusal, world.ids.uuid_at(world.now())))
}

enum Api {
    Standard,
    Companion,
    Runtime,
    Analytics,
    Unknown,
}

fn api_of(base: &str) -> Api {
    let api = base.split_once("/api/").map_or("", |(_, api)| api);
    match api {
        "v2.0" => Api::Standard,
        "millrace/commerce/v1.0" => Api::Companion,
        "microsoft/runtime/beta" => Api::Runtime,
        "microsoft/analytics/v1.0" => Api::Analytics,
        _ => Api::Unknown,
    }
}
