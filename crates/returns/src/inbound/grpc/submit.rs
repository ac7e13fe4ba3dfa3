//! A return is taken: once, durable, and held where a rule is broken. Whoever sent it is answered as before, whatever has changed
//! since.

use millrace_contract::returns::v1 as proto;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, rejection};
use millrace_values::Timestamp;
use tonic::{Request, Status};
use tracing::info;

use super::desk::{Desk, shown};
use super::{SUBMIT, TRIES, refusal};
use crate::domain::{Command, Phase, Return, Submitted, Taken};
use crate::returns::{Actor, ReturnError};
use crate::wire;

pub async fn submit(
    desk: &Desk,
    request: Request<proto::SubmitReturnRequest>,
) -> Result<proto::SubmitReturnResponse, Status> {
    let caller = Caller::of(&request)?;
    let actor = desk.actor(&caller, &request);
    let proto::SubmitReturnRequest {
        shop_return,
        remarks,
    } = request.into_inner();
    let mut goods =
        shop_return.ok_or_else(|| rejection::bad_request("shop_return", "is missing"))?;
    let channel = desk.channel(&caller, SUBMIT, "shop_return.channel", &goods.channel)?;
    goods.remarks = None;
    let mut faults = Faults::default();
    let read = faults.gather(wire::read_return(&goods, &channel.erp));
    let remarks = faults.gather(wire::read_remarks(remarks.as_ref(), &goods));
    let (Some(goods), Some(remarks)) = (read, remarks) else {
        return Err(faults.into_status());
    };
    for _ in 0..TRIES {
        match take(desk, &goods, remarks.as_ref(), &actor).await? {
            Taking::Taken(taken) => {
                say(desk, &taken);
                return Ok(answer(&taken, false));
            }
            Taking::SeenBefore(taken) => return Ok(answer(&taken, true)),
            Taking::Again => {}
        }
    }
    Err(refusal::changed())
}

/// What became of one try.
enum Taking {
    Taken(Box<Taken>),
    SeenBefore(Box<Taken>),
    /// Somebody else was quicker.
    Again,
}

async fn take(
    desk: &Desk,
    goods: &Return,
    remarks: Option<&proto::Remarks>,
    actor: &Actor,
) -> Result<Taking, Status> {
    let returns = &desk.judge.returns;
    let at = Timestamp(returns.now());
    let content_hash = wire::content_hash(goods);
    let number = goods.number.as_str();
    let loaded = returns.load(&goods.stream()).await;
    if let Some(loaded) = loaded.map_err(|error| refusal::away(&error))? {
        let same_remarks = is_same(desk, &loaded.taken, remarks).await?;
        let again = Submitted {
            goods: Box::new(goods.clone()),
            content_hash,
            at,
            same_remarks,
            // Nothing is decided about what was taken before.
            verdict: unasked(),
        };
        return match returns
            .carry_out(loaded, None, Command::Submit(again), actor)
            .await
        {
            Ok(taken) => Ok(Taking::SeenBefore(Box::new(taken))),
            Err(ReturnError::Conflict) => Ok(Taking::Again),
            Err(error) => Err(refusal::failed(error, number)),
        };
    }
    let mut goods = goods.clone();
    if let Some(remarks) = remarks {
        goods.remarks = Some(desk.seal(&goods, remarks).await?);
    }
    let verdict = desk.judge.verdict(&goods, at).await;
    let (verdict, standing) = verdict.map_err(|error| refusal::away(&error))?;
    let submitted = Submitted {
        goods: Box::new(goods.clone()),
        content_hash,
        at,
        same_remarks: true,
        verdict,
    };
    match returns.submit(submitted, standing, actor).await {
        Ok(Some(taken)) => Ok(Taking::Taken(Box::new(taken))),
        Ok(None) | Err(ReturnError::Conflict) => Ok(Taking::Again),
        Err(error) => Err(refusal::failed(error, number)),
    }
}

fn unasked() -> crate::domain::Verdict {
    crate::domain::Verdict {
        reasons: Vec::new(),
        lines: Vec::new(),
        credits: Vec::new(),
        freight: None,
        location: None,
    }
}

/// What a person mended here is not what the shop sends again; what was erased nobody can compare any more.
async fn is_same(
    desk: &Desk,
    taken: &Taken,
    remarks: Option<&proto::Remarks>,
) -> Result<bool, Status> {
    if taken.mends > 0 {
        return Ok(true);
    }
    Ok(match (&taken.goods.remarks, remarks) {
        (None, None) => true,
        (Some(_), Some(remarks)) => desk
            .remarks(taken)
            .await?
            .is_none_or(|known| known == *remarks),
        (Some(_), None) | (None, Some(_)) => false,
    })
}

fn say(desk: &Desk, taken: &Taken) {
    let (number, channel) = (&taken.goods.number, &taken.goods.channel);
    desk.taken.inc();
    if taken.phase == Phase::Held {
        desk.held.inc();
        let reasons = taken.reasons.len();
        info!(return.number = %number, return.channel = %channel, reasons, "return {number} is taken and held");
        return;
    }
    info!(return.number = %number, return.channel = %channel, "return {number} is taken");
}

fn answer(taken: &Taken, repeated_submission: bool) -> proto::SubmitReturnResponse {
    proto::SubmitReturnResponse {
        shop_return: shown(taken),
        repeated_submission,
    }
}
