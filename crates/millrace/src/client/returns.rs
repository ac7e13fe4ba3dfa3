//! `millrace return`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use millrace_contract::returns::v1::return_admin_service_client::ReturnAdminServiceClient;
use millrace_contract::returns::v1::return_service_client::ReturnServiceClient;
use millrace_contract::returns::v1::{
    CancelReturnRequest, GetReturnRequest, ListHeldReturnsRequest, ListReturnReasonsRequest,
    ListReturnsRequest, MendReturnRequest, ReceiveReturnRequest, RefundWay, RefuseReturnRequest,
    RetryReturnsRequest, ReturnView, SubmitReturnRequest,
};

use super::{Authorized, connect, document, print};
use crate::cli::{Output, ServerArgs};

#[derive(Debug, Subcommand)]
pub enum ReturnCommand {
    /// Why goods may come back.
    Reasons {
        #[arg(long)]
        channel: String,
        /// e.g. `de-AT`; without it: the channel's first language.
        #[arg(long)]
        language: Option<String>,
    },
    /// Hand a return in, as JSON of `millrace.returns.v1.SubmitReturnRequest`.
    Submit { file: PathBuf },
    /// One return with its lines, documents and amounts.
    Show {
        number: String,
        #[arg(long)]
        channel: String,
    },
    /// The channel's returns, newest first.
    List {
        #[arg(long)]
        channel: String,
        /// Only of this order.
        #[arg(long)]
        order: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Returns that broke a rule, with their reasons.
    Held {
        /// Without it: all channels the token may see.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Replace the content of a held return, as JSON of `millrace.returns.v1.MendReturnRequest`; `return show -o json` gives the
    /// return.
    Mend { file: PathBuf },
    /// Check and hand over held returns again.
    Retry {
        #[arg(long)]
        channel: String,
        /// Without any: every held return of the channel.
        numbers: Vec<String>,
    },
    /// Say no to a held return for ever; the shop sees the text.
    Refuse {
        number: String,
        #[arg(long)]
        channel: String,
        /// Why, for the customer, without personal data.
        #[arg(long)]
        text: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// The goods are here, where the ERP has no receipts; as JSON of `millrace.returns.v1.ReceiveReturnRequest`, or all of them by
    /// the return's number.
    Receive {
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        number: Option<String>,
        #[arg(long, required_unless_present = "file")]
        channel: Option<String>,
        /// What came back, where it is not everything.
        #[arg(long, conflicts_with = "channel")]
        file: Option<PathBuf>,
    },
    /// Give a return up of which nothing came back.
    Cancel {
        number: String,
        #[arg(long)]
        channel: String,
        /// Why, without personal data.
        #[arg(long, default_value = "")]
        note: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(command: ReturnCommand, server: &ServerArgs) -> Result<()> {
    let output = server.output;
    match command {
        ReturnCommand::Reasons { channel, language } => {
            reasons(server, channel, language.unwrap_or_default()).await
        }
        ReturnCommand::Submit { file } => {
            // What was written is read before anybody is called.
            let request: SubmitReturnRequest =
                document::read(&file, "millrace.returns.v1.SubmitReturnRequest")?;
            let answer = returns(server).await?.submit_return(request).await?;
            show(answer.into_inner().shop_return.as_ref(), output)
        }
        ReturnCommand::Show { number, channel } => one(server, channel, number).await,
        ReturnCommand::List {
            channel,
            order,
            limit,
        } => {
            let request = ListReturnsRequest {
                channel,
                order_number: order.unwrap_or_default(),
                page_size: limit,
                ..Default::default()
            };
            let answer = returns(server).await?.list_returns(request).await?;
            rows(&answer.into_inner().returns, output)
        }
        ReturnCommand::Held { channel } => held(server, channel.unwrap_or_default()).await,
        ReturnCommand::Mend { file } => {
            let request: MendReturnRequest =
                document::read(&file, "millrace.returns.v1.MendReturnRequest")?;
            let answer = admin(server).await?.mend_return(request).await?;
            show(answer.into_inner().shop_return.as_ref(), output)
        }
        ReturnCommand::Retry { channel, numbers } => {
            let request = RetryReturnsRequest {
                channel,
                return_numbers: numbers,
            };
            let answer = admin(server).await?.retry_returns(request).await?;
            let answer = answer.into_inner();
            match output {
                Output::Json => print::json("millrace.returns.v1.RetryReturnsResponse", &answer),
                Output::Text => {
                    print::line(&format!("{} returns will be checked again", answer.retried))
                }
            }
        }
        ReturnCommand::Refuse {
            number,
            channel,
            text,
            dry_run,
        } => {
            if dry_run {
                return would(server, channel, number, "refused for ever").await;
            }
            let request = RefuseReturnRequest {
                channel,
                return_number: number,
                text,
            };
            let answer = admin(server).await?.refuse_return(request).await?;
            show(answer.into_inner().shop_return.as_ref(), output)
        }
        ReturnCommand::Receive {
            number,
            channel,
            file,
        } => {
            let request = match file {
                Some(file) => document::read(&file, "millrace.returns.v1.ReceiveReturnRequest")?,
                None => ReceiveReturnRequest {
                    channel: channel.unwrap_or_default(),
                    return_number: number.unwrap_or_default(),
                    lines: vec![],
                },
            };
            let answer = returns(server).await?.receive_return(request).await?;
            show(answer.into_inner().shop_return.as_ref(), output)
        }
        ReturnCommand::Cancel {
            number,
            channel,
            note,
            dry_run,
        } => {
            if dry_run {
                return would(server, channel, number, "given up for ever").await;
            }
            let request = CancelReturnRequest {
                channel,
                return_number: number,
                note,
            };
            let answer = returns(server).await?.cancel_return(request).await?;
            show(answer.into_inner().shop_return.as_ref(), output)
        }
    }
}

async fn returns(server: &ServerArgs) -> Result<ReturnServiceClient<Authorized>> {
    Ok(ReturnServiceClient::new(connect(server).await?))
}

async fn admin(server: &ServerArgs) -> Result<ReturnAdminServiceClient<Authorized>> {
    Ok(ReturnAdminServiceClient::new(connect(server).await?))
}

async fn reasons(server: &ServerArgs, channel: String, language: String) -> Result<()> {
    let request = ListReturnReasonsRequest { channel, language };
    let answer = returns(server).await?.list_return_reasons(request).await?;
    for reason in answer.into_inner().reasons {
        match server.output {
            Output::Json => print::json("millrace.returns.v1.ReturnReason", &reason)?,
            Output::Text => print::line(&format!("{:<12} {}", reason.code, reason.description))?,
        }
    }
    Ok(())
}

async fn one(server: &ServerArgs, channel: String, number: String) -> Result<()> {
    let request = GetReturnRequest {
        channel,
        return_number: number,
        include_personal: false,
    };
    let answer = returns(server).await?.get_return(request).await?;
    show(answer.into_inner().shop_return.as_ref(), server.output)
}

async fn would(server: &ServerArgs, channel: String, number: String, what: &str) -> Result<()> {
    if server.output == Output::Text {
        print::line(&format!("would be {what}:"))?;
    }
    one(server, channel, number).await
}

async fn held(server: &ServerArgs, channel: String) -> Result<()> {
    let mut admin = admin(server).await?;
    let mut page_token = String::new();
    loop {
        let request = ListHeldReturnsRequest {
            channel: channel.clone(),
            page_size: 100,
            page_token,
        };
        let answer = admin.list_held_returns(request).await?.into_inner();
        for view in &answer.returns {
            show(Some(view), server.output)?;
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

fn rows(returns: &[ReturnView], output: Output) -> Result<()> {
    for view in returns {
        if output == Output::Json {
            print::json("millrace.returns.v1.ReturnView", view)?;
            continue;
        }
        let goods = view.shop_return.clone().unwrap_or_default();
        print::line(&format!(
            "{:<20} {:<10} order {:<20} {} lines",
            goods.return_number,
            word(view.state().as_str_name(), "RETURN_STATE_"),
            goods.order_number,
            goods.lines.len()
        ))?;
    }
    Ok(())
}

fn show(view: Option<&ReturnView>, output: Output) -> Result<()> {
    let Some(view) = view else { return Ok(()) };
    rows(std::slice::from_ref(view), output)?;
    if output == Output::Json {
        return Ok(());
    }
    for line in details(view) {
        print::line(&format!("  {line}"))?;
    }
    Ok(())
}

pub(super) fn details(view: &ReturnView) -> Vec<String> {
    let mut told = Vec::new();
    if !view.waits_because.is_empty() {
        told.push(format!("waits: {}", view.waits_because));
    }
    for reason in &view.hold_reasons {
        let place = match reason.line_number {
            0 => "return".to_owned(),
            line => format!("line {line}"),
        };
        told.push(format!("held, {place}: {}", reason.message));
    }
    if !view.refusal.is_empty() {
        told.push(format!("refused: {}", view.refusal));
    }
    for line in &view.lines {
        told.push(format!(
            "line {}: {}, requested {}, received {}, credited {}",
            line.line_number,
            word(line.state().as_str_name(), "LINE_STATE_").replace('_', " "),
            print::quantity(line.requested.as_ref()),
            print::quantity(line.received.as_ref()),
            print::quantity(line.credited.as_ref()),
        ));
    }
    let documents = view
        .document
        .iter()
        .map(|document| ("in the ERP", &document.number));
    let receipts = view
        .receipt_numbers
        .iter()
        .map(|number| ("receipt", number));
    let memos = view
        .credit_memo_numbers
        .iter()
        .map(|number| ("credit memo", number));
    for (kind, number) in documents.chain(receipts).chain(memos) {
        told.push(format!("{kind} {number}"));
    }
    for refund in &view.refunds {
        let amount = print::money(refund.amount.as_ref());
        told.push(match refund.way() {
            RefundWay::Nothing => "nothing is paid back".to_owned(),
            way => {
                let way = word(way.as_str_name(), "REFUND_WAY_");
                format!("paid back, {way}: {amount}")
            }
        });
    }
    told
}

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}
