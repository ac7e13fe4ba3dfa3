//! What operators call: read, mend, retry, refuse.

use futures::{StreamExt, TryStreamExt, stream};
use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::return_admin_service_server::ReturnAdminService;
use millrace_event_store::StoreError;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, page, rejection};
use millrace_values::Channel;
use tonic::{Request, Response, Status};
use tracing::{error, info, instrument};

use super::desk::{Desk, needed_text_of, number_of, shown};
use super::{ADMIN, TRIES, refusal};
use crate::domain::{self, Command, Phase, Return, Taken};
use crate::read_model::Held;
use crate::returns::{Actor, Loaded, ReturnError};
use crate::wire;

/// Returns retried at once; each is an append, and appends at once share a commit.
const AT_ONCE: usize = 16;
const PAGE: usize = 500;

#[derive(Clone)]
pub struct ReturnAdminApi {
    desk: Desk,
}

impl ReturnAdminApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn mend(&self, request: Request<proto::MendReturnRequest>) -> Result<Taken, Status> {
        let desk = &self.desk;
        let caller = Caller::of(&request)?;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, ADMIN, "channel", &request.channel)?;
        let number = number_of("return_number", &request.return_number)?;
        let note = needed_text_of("note", &request.note)?;
        let mut content = request
            .shop_return
            .ok_or_else(|| rejection::bad_request("shop_return", "is missing"))?;
        content.remarks = None;
        let mut faults = Faults::default();
        let read = faults.gather(wire::read_return(&content, &channel.erp));
        let remarks = faults.gather(wire::read_remarks(request.remarks.as_ref(), &content));
        let (Some(goods), Some(remarks)) = (read, remarks) else {
            return Err(faults.into_status());
        };
        if goods.channel != channel.code || goods.number != number {
            return Err(rejection::bad_request(
                "shop_return",
                "has another channel or return number; those cannot be mended",
            ));
        }
        let expected_version = (request.expected_version > 0).then_some(request.expected_version);
        for _ in 0..TRIES {
            let loaded = desk.load(channel, &number).await?;
            let goods = self
                .with_remarks(goods.clone(), remarks.as_ref(), &loaded)
                .await?;
            let verdict = desk.judge.verdict(&goods, loaded.taken.taken_at).await;
            let (verdict, standing) = verdict.map_err(|error| refusal::away(&error))?;
            let command = Command::Mend {
                goods: Box::new(goods),
                note: note.clone(),
                verdict,
                expected_version,
            };
            let returns = &desk.judge.returns;
            match returns
                .carry_out(loaded, Some(standing), command, &actor)
                .await
            {
                Err(ReturnError::Conflict) => {}
                outcome => return outcome.map_err(|error| refusal::failed(error, number.as_str())),
            }
        }
        Err(refusal::changed())
    }

    /// New comments and photos, or what the return has.
    async fn with_remarks(
        &self,
        mut goods: Return,
        remarks: Option<&proto::Remarks>,
        loaded: &Loaded,
    ) -> Result<Return, Status> {
        let kept = match remarks {
            Some(_) => None,
            // They are sealed under the customer's key, who may be another one now.
            None => self.desk.remarks(&loaded.taken).await?,
        };
        goods.remarks = match remarks.or(kept.as_ref()) {
            Some(remarks) => Some(self.desk.seal(&goods, remarks).await?),
            None => None,
        };
        Ok(goods)
    }

    /// Checks or hands over one return again; its stream if there was anything to try.
    async fn retry(&self, stream: String, actor: &Actor) -> Result<Option<String>, Status> {
        let judge = &self.desk.judge;
        for _ in 0..TRIES {
            let loaded = match judge.returns.load(&stream).await {
                // One that cannot be read must not keep all others from being tried.
                Err(error @ StoreError::Corrupt { .. }) => {
                    let cause = &error as &dyn std::error::Error;
                    error!(
                        stream,
                        error = cause,
                        "a return cannot be read and is passed over"
                    );
                    return Ok(None);
                }
                loaded => loaded.map_err(|error| refusal::away(&error))?,
            };
            let Some(loaded) = loaded else {
                let number = stream.splitn(3, '/').last().unwrap_or_default();
                return Err(rejection::not_found("return", number));
            };
            match loaded.taken.phase {
                Phase::Cleared => return Ok(Some(stream)),
                Phase::Posted if !loaded.taken.is_credited() => return Ok(Some(stream)),
                Phase::Posted | Phase::Refused | Phase::Cancelled(_) => return Ok(None),
                Phase::Held => {}
            }
            let goods = &loaded.taken.goods;
            let number = goods.number.to_string();
            let verdict = judge.verdict(goods, loaded.taken.taken_at).await;
            let (verdict, standing) = verdict.map_err(|error| refusal::away(&error))?;
            let command = Command::Retry { verdict };
            match judge
                .returns
                .carry_out(loaded, Some(standing), command, actor)
                .await
            {
                Ok(_) => return Ok(Some(stream)),
                Err(ReturnError::Conflict) => {}
                Err(error) => return Err(refusal::failed(error, &number)),
            }
        }
        Err(refusal::changed())
    }

    async fn retry_all(
        &self,
        streams: Vec<String>,
        channel: &Channel,
        actor: &Actor,
    ) -> Result<u32, Status> {
        let retries = streams.into_iter().map(|stream| self.retry(stream, actor));
        let mut retries = stream::iter(retries).buffer_unordered(AT_ONCE);
        let mut again = Vec::new();
        while let Some(retried) = retries.try_next().await? {
            again.extend(retried);
        }
        self.desk
            .work
            .ask_now(channel.code.as_str(), &again)
            .await
            .map_err(|error| refusal::away(&error))?;
        Ok(u32::try_from(again.len()).unwrap_or(u32::MAX))
    }

    /// Streams of every held return of the channel, as they are held now.
    async fn held_of(&self, channel: &Channel) -> Result<Vec<String>, Status> {
        let mut held = Held {
            channel: Some(channel.code.to_string()),
            after: 0,
            limit: PAGE,
        };
        let mut streams = Vec::new();
        loop {
            let page = self.desk.listing.held(&held).await;
            let page = page.map_err(|error| refusal::away(&error))?;
            let returns = page.returns.into_iter().filter_map(|view| view.shop_return);
            streams.extend(
                returns.map(|goods| format!("return/{}/{}", goods.channel, goods.return_number)),
            );
            match page.next {
                Some(next) => held.after = next,
                None => return Ok(streams),
            }
        }
    }
}

#[tonic::async_trait]
impl ReturnAdminService for ReturnAdminApi {
    #[instrument(skip_all)]
    async fn list_held_returns(
        &self,
        request: Request<proto::ListHeldReturnsRequest>,
    ) -> Result<Response<proto::ListHeldReturnsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = if request.channel.is_empty() {
            caller.may_anywhere(ADMIN)?;
            caller.channel().map(str::to_owned)
        } else {
            let channel = desk.channel(&caller, ADMIN, "channel", &request.channel)?;
            Some(channel.code.to_string())
        };
        let held = Held {
            channel,
            after: page::position(&request.page_token, 0)?,
            limit: page::size(request.page_size)?,
        };
        let page = desk.listing.held(&held).await;
        let page = page.map_err(|error| refusal::away(&error))?;
        let next_page_token = page::token(page.next);
        Ok(Response::new(proto::ListHeldReturnsResponse {
            returns: page.returns,
            next_page_token,
        }))
    }

    #[instrument(skip_all)]
    async fn mend_return(
        &self,
        request: Request<proto::MendReturnRequest>,
    ) -> Result<Response<proto::MendReturnResponse>, Status> {
        let taken = self.mend(request).await?;
        let number = &taken.goods.number;
        info!(return.number = %number, "return {number} was mended");
        Ok(Response::new(proto::MendReturnResponse {
            shop_return: shown(&taken),
        }))
    }

    #[instrument(skip_all)]
    async fn retry_returns(
        &self,
        request: Request<proto::RetryReturnsRequest>,
    ) -> Result<Response<proto::RetryReturnsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, ADMIN, "channel", &request.channel)?;
        let streams = if request.return_numbers.is_empty() {
            self.held_of(channel).await?
        } else {
            let numbers = request.return_numbers.iter();
            let streams = numbers.map(|number| {
                let number = number_of("return_numbers", number)?;
                Ok(domain::stream(&channel.code, &number))
            });
            streams.collect::<Result<_, Status>>()?
        };
        let retried = self.retry_all(streams, channel, &actor).await?;
        Ok(Response::new(proto::RetryReturnsResponse { retried }))
    }

    #[instrument(skip_all)]
    async fn refuse_return(
        &self,
        request: Request<proto::RefuseReturnRequest>,
    ) -> Result<Response<proto::RefuseReturnResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, ADMIN, "channel", &request.channel)?;
        let number = number_of("return_number", &request.return_number)?;
        let text = needed_text_of("text", &request.text)?;
        let command = Command::Refuse { text };
        let taken = desk.carry_out(channel, &number, &command, &actor).await?;
        info!(return.number = %number, actor = actor.name, "return {number} was refused");
        Ok(Response::new(proto::RefuseReturnResponse {
            shop_return: shown(&taken),
        }))
    }
}
