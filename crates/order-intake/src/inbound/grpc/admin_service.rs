//! What operators call: read, mend, retry, give up.

use futures::{StreamExt, TryStreamExt, stream};
use millrace_contract::order::v1 as proto;
use millrace_contract::order::v1::order_admin_service_server::OrderAdminService;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, page, rejection};
use millrace_values::Channel;
use tonic::{Request, Response, Status};
use tracing::{info, instrument};

use super::desk::{Desk, shown};
use super::refusal;
use crate::domain::{Command, Order, Phase, Taken};
use crate::orders::{Actor, Loaded, OrderError, same_place};
use crate::read_model::Held;
use crate::wire;

const SCOPE: &str = "order:admin";
const TRIES: usize = 8;
/// Orders retried at once; each is an append, and appends at once share a commit.
const AT_ONCE: usize = 16;
const PAGE: usize = 500;

#[derive(Clone)]
pub struct OrderAdminApi {
    desk: Desk,
}

impl OrderAdminApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn mend(&self, request: Request<proto::MendOrderRequest>) -> Result<Taken, Status> {
        let desk = &self.desk;
        let caller = Caller::of(&request)?;
        let actor = desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = desk.channel(&caller, SCOPE, "channel", &request.channel)?;
        let number = Desk::number("order_number", &request.order_number)?;
        let note = Desk::note(&request.note)?;
        let mut content = request
            .order
            .ok_or_else(|| rejection::bad_request("order", "is missing"))?;
        content.personal = None;
        let mut faults = Faults::default();
        let read = faults.gather(wire::read_order(&content, &channel.erp));
        // Without new data the order keeps what it has, which was checked when it was taken.
        let is_new = wire::is_of_new_customer(&content) && request.personal.is_some();
        let personal = faults.gather(wire::read_personal(request.personal.as_ref(), is_new));
        let (Some(order), Some(personal)) = (read, personal) else {
            return Err(faults.into_status());
        };
        let expected_version = (request.expected_version > 0).then_some(request.expected_version);
        for _ in 0..TRIES {
            let loaded = desk.load(channel, &number).await?;
            if !same_place(&order, &loaded.taken.order) {
                return Err(rejection::bad_request(
                    "order",
                    "has another channel or order number; those cannot be mended",
                ));
            }
            let order = self
                .with_personal(order.clone(), personal.as_ref(), &loaded)
                .await?;
            let verdict = desk
                .knowledge
                .verdict(&order, channel)
                .await
                .map_err(|error| refusal::away(&error))?;
            let command = Command::Mend {
                order: Box::new(order),
                note: note.clone(),
                verdict,
                expected_version,
            };
            match desk.orders.carry_out(loaded, command, &actor).await {
                Err(OrderError::Conflict) => {}
                outcome => return outcome.map_err(|error| refusal::failed(error, number.as_str())),
            }
        }
        Err(rejection::conflict("changed meanwhile, try again"))
    }

    /// New personal data, or what the order has.
    async fn with_personal(
        &self,
        mut order: Order,
        personal: Option<&millrace_contract::personal::v1::Personal>,
        loaded: &Loaded,
    ) -> Result<Order, Status> {
        order.personal = match personal {
            Some(personal) => Some(self.desk.seal(&order, personal).await?),
            None => loaded.taken.order.personal.clone(),
        };
        if order.buyer.customer.is_none() && order.personal.is_none() {
            return Err(rejection::bad_request(
                "personal",
                "is missing; a new customer needs it",
            ));
        }
        Ok(order)
    }

    /// Checks or posts one order again; its stream if there was anything to try.
    async fn retry(
        &self,
        stream: String,
        channel: &Channel,
        actor: &Actor,
    ) -> Result<Option<String>, Status> {
        let desk = &self.desk;
        for _ in 0..TRIES {
            let loaded = desk
                .orders
                .load(&stream)
                .await
                .map_err(|error| refusal::away(&error))?;
            let Some(loaded) = loaded else {
                let number = stream.splitn(3, '/').last().unwrap_or_default();
                return Err(rejection::not_found("order", number));
            };
            match loaded.taken.phase {
                Phase::Cleared => return Ok(Some(stream)),
                Phase::Posted => return Ok(loaded.taken.is_unconfirmed().then_some(stream)),
                Phase::Dropped => return Ok(None),
                Phase::Held => {}
            }
            let order = &loaded.taken.order;
            let number = order.number.to_string();
            let verdict = desk
                .knowledge
                .verdict(order, channel)
                .await
                .map_err(|error| refusal::away(&error))?;
            match desk
                .orders
                .carry_out(loaded, Command::Retry { verdict }, actor)
                .await
            {
                Ok(_) => return Ok(Some(stream)),
                Err(OrderError::Conflict) => {}
                Err(error) => return Err(refusal::failed(error, &number)),
            }
        }
        Err(rejection::conflict("changed meanwhile, try again"))
    }

    async fn retry_all(
        &self,
        streams: Vec<String>,
        channel: &Channel,
        actor: &Actor,
    ) -> Result<u32, Status> {
        let retries = streams
            .into_iter()
            .map(|stream| self.retry(stream, channel, actor));
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

    /// Streams of every held order of the channel, as they are held now.
    async fn held_of(&self, channel: &Channel) -> Result<Vec<String>, Status> {
        let mut held = Held {
            channel: Some(channel.code.to_string()),
            after: 0,
            limit: PAGE,
        };
        let mut streams = Vec::new();
        loop {
            let page = self
                .desk
                .listing
                .held(&held)
                .await
                .map_err(|error| refusal::away(&error))?;
            let orders = page.orders.into_iter().filter_map(|view| view.order);
            streams.extend(
                orders.map(|order| format!("order/{}/{}", order.channel, order.order_number)),
            );
            match page.next {
                Some(next) => held.after = next,
                None => return Ok(streams),
            }
        }
    }
}

#[tonic::async_trait]
impl OrderAdminService for OrderAdminApi {
    #[instrument(skip_all)]
    async fn list_held(
        &self,
        request: Request<proto::ListHeldRequest>,
    ) -> Result<Response<proto::ListHeldResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let channel = if request.channel.is_empty() {
            caller.may_anywhere(SCOPE)?;
            caller.channel().map(str::to_owned)
        } else {
            Some(
                self.desk
                    .channel(&caller, SCOPE, "channel", &request.channel)?
                    .code
                    .to_string(),
            )
        };
        let limit = page::size(request.page_size)?;
        let after = page::position(&request.page_token, 0)?;
        let page = self
            .desk
            .listing
            .held(&Held {
                channel,
                after,
                limit,
            })
            .await;
        let page = page.map_err(|error| refusal::away(&error))?;
        let next_page_token = page::token(page.next);
        Ok(Response::new(proto::ListHeldResponse {
            orders: page.orders,
            next_page_token,
        }))
    }

    #[instrument(skip_all)]
    async fn mend_order(
        &self,
        request: Request<proto::MendOrderRequest>,
    ) -> Result<Response<proto::MendOrderResponse>, Status> {
        let taken = self.mend(request).await?;
        info!(order.number = %taken.order.number, "order {} was mended", taken.order.number);
        Ok(Response::new(proto::MendOrderResponse {
            order: shown(&taken),
        }))
    }

    #[instrument(skip_all)]
    async fn retry_orders(
        &self,
        request: Request<proto::RetryOrdersRequest>,
    ) -> Result<Response<proto::RetryOrdersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let actor = self.desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = self
            .desk
            .channel(&caller, SCOPE, "channel", &request.channel)?;
        let streams = if request.order_numbers.is_empty() {
            self.held_of(channel).await?
        } else {
            let numbers = request
                .order_numbers
                .iter()
                .map(|number| Desk::number("order_numbers", number));
            let streams = numbers
                .map(|number| number.map(|number| crate::domain::stream(&channel.code, &number)));
            streams.collect::<Result<_, _>>()?
        };
        let retried = self.retry_all(streams, channel, &actor).await?;
        Ok(Response::new(proto::RetryOrdersResponse { retried }))
    }

    #[instrument(skip_all)]
    async fn drop_order(
        &self,
        request: Request<proto::DropOrderRequest>,
    ) -> Result<Response<proto::DropOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let actor = self.desk.actor(&caller, &request);
        let request = request.into_inner();
        let channel = self
            .desk
            .channel(&caller, SCOPE, "channel", &request.channel)?;
        let number = Desk::number("order_number", &request.order_number)?;
        let note = Desk::note(&request.note)?;
        for _ in 0..TRIES {
            let loaded = self.desk.load(channel, &number).await?;
            let command = Command::Drop { note: note.clone() };
            match self.desk.orders.carry_out(loaded, command, &actor).await {
                Ok(taken) => {
                    info!(order.number = %number, actor = actor.name, "order {number} was given up");
                    return Ok(Response::new(proto::DropOrderResponse {
                        order: shown(&taken),
                    }));
                }
                Err(OrderError::Conflict) => {}
                Err(error) => return Err(refusal::failed(error, number.as_str())),
            }
        }
        Err(rejection::conflict("changed meanwhile, try again"))
    }
}
