//! `millrace order`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use millrace_contract::order::v1::order_admin_service_client::OrderAdminServiceClient;
use millrace_contract::order::v1::order_service_client::OrderServiceClient;
use millrace_contract::order::v1::{
    DropOrderRequest, GetOrderRequest, ListHeldRequest, ListOrdersRequest, MendOrderRequest,
    OrderState, OrderView, RetryOrdersRequest, SubmitOrderRequest,
};
use millrace_contract::webshop_orders::v1::LineState;

use super::{Authorized, connect, document, print};
use crate::cli::{Output, ServerArgs};

#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// One order with its lines, documents and parcels.
    Show {
        number: String,
        #[arg(long)]
        channel: String,
    },
    /// The channel's orders, newest first.
    List {
        #[arg(long)]
        channel: String,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Hand an order in, as JSON of `millrace.order.v1.SubmitOrderRequest`.
    Submit { file: PathBuf },
    /// Orders that failed a check, with their reasons.
    Held {
        /// Without it: all channels the token may see.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Replace the content of a held order, as JSON of `millrace.order.v1.MendOrderRequest`; `order show -o json` gives the order.
    Mend { file: PathBuf },
    /// Check and post held orders again.
    Retry {
        #[arg(long)]
        channel: String,
        /// Without any: every held order of the channel.
        numbers: Vec<String>,
    },
    /// Give a held order up for ever; the shop sees it cancelled.
    Drop {
        number: String,
        #[arg(long)]
        channel: String,
        /// Why, without personal data.
        #[arg(long)]
        note: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(command: OrderCommand, server: &ServerArgs) -> Result<()> {
    let output = server.output;
    match command {
        OrderCommand::Show { number, channel } => {
            let request = GetOrderRequest {
                channel,
                order_number: number,
                include_personal: false,
            };
            let answer = orders(server).await?.get_order(request).await?;
            show(answer.into_inner().order.as_ref(), output)
        }
        OrderCommand::List { channel, limit } => {
            let request = ListOrdersRequest {
                channel,
                page_size: limit,
                ..Default::default()
            };
            let answer = orders(server).await?.list_orders(request).await?;
            rows(&answer.into_inner().orders, output)
        }
        OrderCommand::Submit { file } => {
            // What was written is read before anybody is called.
            let request: SubmitOrderRequest =
                document::read(&file, "millrace.order.v1.SubmitOrderRequest")?;
            let answer = orders(server).await?.submit_order(request).await?;
            show(answer.into_inner().order.as_ref(), output)
        }
        OrderCommand::Held { channel } => {
            let mut admin = admin(server).await?;
            let mut page_token = String::new();
            loop {
                let request = ListHeldRequest {
                    channel: channel.clone().unwrap_or_default(),
                    page_size: 100,
                    page_token,
                };
                let answer = admin.list_held(request).await?.into_inner();
                for order in &answer.orders {
                    show(Some(order), output)?;
                }
                page_token = answer.next_page_token;
                if page_token.is_empty() {
                    return Ok(());
                }
            }
        }
        OrderCommand::Mend { file } => {
            let request: MendOrderRequest =
                document::read(&file, "millrace.order.v1.MendOrderRequest")?;
            let answer = admin(server).await?.mend_order(request).await?;
            show(answer.into_inner().order.as_ref(), output)
        }
        OrderCommand::Retry { channel, numbers } => {
            let request = RetryOrdersRequest {
                channel,
                order_numbers: numbers,
            };
            let answer = admin(server).await?.retry_orders(request).await?;
            let answer = answer.into_inner();
            match output {
                Output::Json => print::json("millrace.order.v1.RetryOrdersResponse", &answer),
                Output::Text => {
                    print::line(&format!("{} orders will be checked again", answer.retried))
                }
            }
        }
        OrderCommand::Drop {
            number,
            channel,
            note: _,
            dry_run: true,
        } => {
            let request = GetOrderRequest {
                channel,
                order_number: number,
                include_personal: false,
            };
            let answer = orders(server).await?.get_order(request).await?;
            if output == Output::Text {
                print::line("would be given up for ever:")?;
            }
            show(answer.into_inner().order.as_ref(), output)
        }
        OrderCommand::Drop {
            number,
            channel,
            note,
            dry_run: false,
        } => {
            let request = DropOrderRequest {
                channel,
                order_number: number,
                note,
            };
            let answer = admin(server).await?.drop_order(request).await?;
            show(answer.into_inner().order.as_ref(), output)
        }
    }
}

async fn orders(server: &ServerArgs) -> Result<OrderServiceClient<Authorized>> {
    Ok(OrderServiceClient::new(connect(server).await?))
}

async fn admin(server: &ServerArgs) -> Result<OrderAdminServiceClient<Authorized>> {
    Ok(OrderAdminServiceClient::new(connect(server).await?))
}

fn rows(orders: &[OrderView], output: Output) -> Result<()> {
    for view in orders {
        if output == Output::Json {
            print::json("millrace.order.v1.OrderView", view)?;
            continue;
        }
        let order = view.order.clone().unwrap_or_default();
        let gross = order
            .totals
            .as_ref()
            .and_then(|totals| totals.gross.as_ref());
        print::line(&format!(
            "{:<20} {:<10} {:>14}  {} lines",
            order.order_number,
            state(view),
            print::money(gross),
            order.lines.len()
        ))?;
    }
    Ok(())
}

fn show(view: Option<&OrderView>, output: Output) -> Result<()> {
    let Some(view) = view else { return Ok(()) };
    rows(std::slice::from_ref(view), output)?;
    if output == Output::Json {
        return Ok(());
    }
    if !view.waits_because.is_empty() {
        print::line(&format!("  waits: {}", view.waits_because))?;
    }
    for reason in &view.hold_reasons {
        let place = if reason.line_number == 0 {
            "order".into()
        } else {
            format!("line {}", reason.line_number)
        };
        print::line(&format!("  held, {place}: {}", reason.message))?;
    }
    for line in &view.lines {
        let state = line
            .state()
            .as_str_name()
            .trim_start_matches("LINE_STATE_")
            .to_lowercase();
        let shipped = if line.state() == LineState::Created {
            String::new()
        } else {
            format!(", shipped {}", print::quantity(line.shipped.as_ref()))
        };
        print::line(&format!(
            "  line {}: {state}, ordered {}{shipped}",
            line.line_number,
            print::quantity(line.ordered.as_ref())
        ))?;
    }
    for document in &view.documents {
        print::line(&format!("  {} {}", document.kind, document.number))?;
    }
    for back in &view.returns {
        let state = back.state().as_str_name();
        let state = state.trim_start_matches("RETURN_STATE_").to_lowercase();
        print::line(&format!("  return {}: {state}", back.return_number))?;
    }
    for parcel in &view.parcels {
        print::line(&format!(
            "  parcel {}: {} {}",
            parcel.shipment_number, parcel.carrier, parcel.tracking_number
        ))?;
    }
    Ok(())
}

fn state(view: &OrderView) -> String {
    OrderState::try_from(view.state)
        .unwrap_or_default()
        .as_str_name()
        .trim_start_matches("ORDER_STATE_")
        .to_lowercase()
}
