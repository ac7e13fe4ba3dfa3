//! What shops, and those who take goods in, call.

use std::collections::HashSet;

use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::return_service_server::ReturnService;
use millrace_erp::ErpError;
use millrace_erp::return_order::ReturnState;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, page, rejection};
use millrace_values::{Channel, LanguageTag, Measured, OrderNumber, Timestamp};
use tonic::{Request, Response, Status};
use tracing::{info, instrument};

use super::desk::{Desk, number_of, shown, text_of};
use super::submit::submit;
use super::{ADMIN, PERSONAL, READ, RECEIVE, SUBMIT, TRIES, refusal};
use crate::domain::{Command, GivenUp, Phase, Received, Taken};
use crate::read_model::Which;
use crate::returns::{Actor, Loaded, ReturnError};
use crate::wire;

#[derive(Clone)]
pub struct ReturnApi {
    desk: Desk,
}

impl ReturnApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// The original order, where it is his who sends the goods back; of a gift no more than he may know.
    async fn original(&self, taken: &Taken) -> Result<Option<proto::OriginalOrder>, Status> {
        let knowledge = &self.desk.judge.knowledge;
        let goods = &taken.goods;
        let original = knowledge.original(goods).await;
        let Some(original) = original.map_err(|error| refusal::away(&error))? else {
            return Ok(None);
        };
        if goods.gift {
            return Ok(Some(wire::of_gift(original, goods)));
        }
        let is_his = wire::sold(&original).is_ok_and(|sold| sold.is_of(goods));
        Ok(is_his.then_some(original))
    }

    /// What the ERP has to do with a return that is to be given up; asks it to give it up, too. `is_mine`: nobody else hands it over
    /// meanwhile.
    async fn give_up(&self, taken: &Taken, is_mine: bool) -> Result<GivenUp, Status> {
        let erp = &self.desk.erp;
        match taken.phase {
            Phase::Held | Phase::Refused | Phase::Cancelled(_) => return Ok(GivenUp::HereAlone),
            Phase::Cleared | Phase::Posted if taken.has_received() => {
                return Ok(GivenUp::HereAlone);
            }
            Phase::Cleared | Phase::Posted => {}
        }
        let number = taken.goods.number.as_str();
        let key = wire::key(&taken.goods);
        let capabilities = erp.capabilities().await;
        let capabilities = capabilities.map_err(|error| refusal::of_erp(&error, number))?;
        if taken.phase == Phase::Cleared {
            // Where it is handed over only when the goods are here, whoever looks at it does nothing.
            if capabilities.return_orders && !is_mine {
                return Ok(GivenUp::HereAlone);
            }
            // An attempt whose answer was lost may have made it.
            return match erp.find_return(&key).await {
                Ok(None) | Err(ErpError::Unsupported(_)) => Ok(GivenUp::NotInErp),
                Ok(Some(_)) => Ok(GivenUp::HereAlone),
                Err(error) => Err(refusal::of_erp(&error, number)),
            };
        }
        if !capabilities.return_orders {
            return Ok(GivenUp::HereAlone);
        }
        let there = erp.cancel_return(&key).await;
        let there = there.map_err(|error| refusal::of_erp(&error, number))?;
        match there.state {
            ReturnState::Cancelled => Ok(GivenUp::InErp),
            ReturnState::Open | ReturnState::Received | ReturnState::Credited => {
                Ok(GivenUp::HereAlone)
            }
        }
    }

    async fn cancel_loaded(
        &self,
        loaded: Loaded,
        is_mine: bool,
        note: String,
        actor: &Actor,
    ) -> Result<Option<Taken>, Status> {
        let number = loaded.taken.goods.number.clone();
        let given_up = self.give_up(&loaded.taken, is_mine).await?;
        let command = Command::Cancel { note, given_up };
        let returns = &self.desk.judge.returns;
        match returns.carry_out(loaded, None, command, actor).await {
            Ok(taken) => Ok(Some(taken)),
            Err(ReturnError::Conflict) => Ok(None),
            Err(error) => Err(refusal::failed(error, number.as_str())),
        }
    }

    async fn cancel(&self, request: Request<proto::CancelReturnRequest>) -> Result<Taken, Status> {
        let desk = &self.desk;
        let caller = Caller::of(&request)?;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, SUBMIT, "channel", &request.channel)?;
        let number = number_of("return_number", &request.return_number)?;
        let note = text_of("note", &request.note)?;
        for _ in 0..TRIES {
            let loaded = desk.load(channel, &number).await?;
            let claim = match loaded.taken.phase {
                Phase::Cleared => desk.claim(&loaded).await?,
                Phase::Held | Phase::Posted | Phase::Refused | Phase::Cancelled(_) => None,
            };
            let is_mine = claim.is_some();
            let cancelled = self.cancel_loaded(loaded, is_mine, note.clone(), &actor);
            let cancelled = cancelled.await;
            if let Some(claim) = claim {
                desk.let_go(&claim).await;
            }
            if let Some(taken) = cancelled? {
                info!(return.number = %number, "return {number} was given up");
                return Ok(taken);
            }
        }
        Err(refusal::changed())
    }

    fn language(channel: &Channel, language: &str) -> Result<LanguageTag, Status> {
        if language.trim().is_empty() {
            // A channel without a language is refused with the settings.
            let first = channel.languages.first().cloned();
            return first.ok_or_else(|| rejection::bad_request("language", "is missing"));
        }
        LanguageTag::parse(language.trim())
            .map_err(|error| rejection::bad_request("language", error.to_string()))
    }
}

#[tonic::async_trait]
impl ReturnService for ReturnApi {
    #[instrument(skip_all)]
    async fn list_return_reasons(
        &self,
        request: Request<proto::ListReturnReasonsRequest>,
    ) -> Result<Response<proto::ListReturnReasonsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = desk.channel(&caller, READ, "channel", &request.channel)?;
        let language = Self::language(channel, &request.language)?;
        let told = desk.judge.reasons.told(&channel.erp, &language).await;
        let told = told.map_err(|error| refusal::away(&error))?.into_iter();
        let reasons = told.map(|told| proto::ReturnReason {
            code: told.code,
            description: told.description,
            language: told.language,
        });
        Ok(Response::new(proto::ListReturnReasonsResponse {
            reasons: reasons.collect(),
        }))
    }

    #[instrument(skip_all)]
    async fn submit_return(
        &self,
        request: Request<proto::SubmitReturnRequest>,
    ) -> Result<Response<proto::SubmitReturnResponse>, Status> {
        submit(&self.desk, request).await.map(Response::new)
    }

    #[instrument(skip_all)]
    async fn get_return(
        &self,
        request: Request<proto::GetReturnRequest>,
    ) -> Result<Response<proto::GetReturnResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = desk.channel(&caller, READ, "channel", &request.channel)?;
        if request.include_personal {
            caller.may(PERSONAL, channel.code.as_str())?;
        }
        let number = number_of("return_number", &request.return_number)?;
        let loaded = desk.load(channel, &number).await?;
        let mut view = wire::view(&loaded.taken);
        if request.include_personal {
            view.remarks = desk.remarks(&loaded.taken).await?;
        }
        if caller.may(ADMIN, channel.code.as_str()).is_ok() {
            let trouble = desk.work.trouble(&loaded.stream).await;
            view.waits_because = trouble.map_err(|error| refusal::away(&error))?;
        }
        Ok(Response::new(proto::GetReturnResponse {
            shop_return: Some(view),
            order: self.original(&loaded.taken).await?,
        }))
    }

    #[instrument(skip_all)]
    async fn list_returns(
        &self,
        request: Request<proto::ListReturnsRequest>,
    ) -> Result<Response<proto::ListReturnsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let desk = &self.desk;
        let channel = desk.channel(&caller, READ, "channel", &request.channel)?;
        let order = OrderNumber::parse_optional(&request.order_number)
            .map_err(|error| rejection::bad_request("order_number", error.to_string()))?;
        let state = proto::ReturnState::try_from(request.state).map_err(|_| {
            let why = format!("{} is no state of a return", request.state);
            rejection::bad_request("state", why)
        })?;
        let which = Which {
            channel: channel.code.to_string(),
            order_number: order.map(|order| order.to_string()).unwrap_or_default(),
            state,
            before: page::position(&request.page_token, i64::MAX)?,
            limit: page::size(request.page_size)?,
        };
        let page = desk.listing.page(&which).await;
        let page = page.map_err(|error| refusal::away(&error))?;
        let next_page_token = page::token(page.next);
        Ok(Response::new(proto::ListReturnsResponse {
            returns: page.returns,
            next_page_token,
        }))
    }

    #[instrument(skip_all)]
    async fn receive_return(
        &self,
        request: Request<proto::ReceiveReturnRequest>,
    ) -> Result<Response<proto::ReceiveReturnResponse>, Status> {
        let caller = Caller::of(&request)?;
        let desk = &self.desk;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, RECEIVE, "channel", &request.channel)?;
        let number = number_of("return_number", &request.return_number)?;
        let lines = read_received(&request.lines)?;
        let capabilities = desk.erp.capabilities().await;
        let capabilities =
            capabilities.map_err(|error| refusal::of_erp(&error, number.as_str()))?;
        if capabilities.return_orders {
            // Also what is not known is said before that.
            desk.load(channel, &number).await?;
            return Err(rejection::precondition(
                "ERP_HAS_RECEIPTS",
                "what comes back is posted in the ERP, which tells of it",
            ));
        }
        let at = Timestamp(desk.judge.returns.now());
        let command = Command::Receive { lines, at };
        let taken = desk.carry_out(channel, &number, &command, &actor).await?;
        info!(return.number = %number, "goods of return {number} came back");
        Ok(Response::new(proto::ReceiveReturnResponse {
            shop_return: shown(&taken),
        }))
    }

    #[instrument(skip_all)]
    async fn cancel_return(
        &self,
        request: Request<proto::CancelReturnRequest>,
    ) -> Result<Response<proto::CancelReturnResponse>, Status> {
        let taken = self.cancel(request).await?;
        Ok(Response::new(proto::CancelReturnResponse {
            shop_return: shown(&taken),
        }))
    }
}

/// No more lines than a return may have, and none twice.
fn read_received(lines: &[proto::ReceivedLine]) -> Result<Vec<Received>, Status> {
    let mut faults = Faults::default();
    if lines.len() > wire::MOST_LINES {
        let (count, most) = (lines.len(), wire::MOST_LINES);
        faults.add("lines", format_args!("{count} lines are more than {most}"));
        return Err(faults.into_status());
    }
    let mut numbers = HashSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let at = |field: &str| format!("lines[{index}].{field}");
        if !numbers.insert(line.line_number) {
            let number = line.line_number;
            faults.add(at("line_number"), format_args!("{number} is there twice"));
        }
        let disposition = proto::Disposition::try_from(line.disposition)
            .map_err(|_| format!("{} is no disposition", line.disposition));
        let disposition = faults.take(at("disposition"), disposition);
        let quantity = line.quantity.clone().ok_or("is missing");
        let quantity = faults
            .take(at("quantity"), quantity)
            .and_then(|quantity| faults.take(at("quantity"), Measured::try_from(quantity)));
        if let (Some(quantity), Some(disposition)) = (quantity, disposition) {
            read.push(Received {
                line: line.line_number,
                quantity: quantity.quantity,
                unit: quantity.unit,
                disposition: wire::read_disposition(disposition),
            });
        }
    }
    if faults.is_empty() {
        Ok(read)
    } else {
        Err(faults.into_status())
    }
}
