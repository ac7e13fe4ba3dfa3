//! What shops call.

use millrace_contract::order::v1 as proto;
use millrace_contract::order::v1::order_service_server::OrderService;
use millrace_service_kit::auth::Caller;
use millrace_service_kit::{Faults, page, rejection};
use millrace_values::Timestamp;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::{info, instrument};

use super::desk::{Desk, shown};
use super::{refusal, watch};
use crate::domain::{Command, Phase, Submitted, Taken};
use crate::orders::{Actor, OrderError};
use crate::wire;

const TRIES: usize = 8;

#[derive(Clone)]
pub struct OrderApi {
    desk: Desk,
}

impl OrderApi {
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn take(
        &self,
        request: Request<proto::SubmitOrderRequest>,
    ) -> Result<proto::SubmitOrderResponse, Status> {
        let desk = &self.desk;
        let caller = Caller::of(&request)?;
        let actor = desk.actor(&caller, &request);
        let proto::SubmitOrderRequest { order, personal } = request.into_inner();
        let mut order = order.ok_or_else(|| rejection::bad_request("order", "is missing"))?;
        let channel = desk.channel(&caller, "order:submit", "order.channel", &order.channel)?;
        order.personal = None;
        let mut faults = Faults::default();
        let is_new = wire::is_of_new_customer(&order);
        let read = faults.gather(wire::read_order(&order, &channel.erp));
        let personal = faults.gather(wire::read_personal(personal.as_ref(), is_new));
        let (Some(mut order), Some(personal)) = (read, personal) else {
            return Err(faults.into_status());
        };
        let content_hash = wire::content_hash(&order);
        let verdict = desk
            .knowledge
            .verdict(&order, channel)
            .await
            .map_err(|error| refusal::away(&error))?;
        if let Some(personal) = &personal {
            order.personal = Some(desk.seal(&order, personal).await?);
        }
        let number = order.number.clone();
        let submitted = Submitted {
            order: Box::new(order),
            content_hash,
            at: Timestamp(desk.orders.now()),
            same_person: true,
            verdict,
        };
        let again = submitted.clone();
        let taken = desk
            .orders
            .submit(submitted, &actor)
            .await
            .map_err(|error| refusal::failed(error, number.as_str()))?;
        if let Some(taken) = taken {
            self.say(&taken);
            return Ok(proto::SubmitOrderResponse {
                order: shown(&taken),
                repeated_submission: false,
            });
        }
        let taken = self.seen_before(again, personal.as_ref(), &actor).await?;
        Ok(proto::SubmitOrderResponse {
            order: shown(&taken),
            repeated_submission: true,
        })
    }

    /// There is an order of this number: is it this one?
    async fn seen_before(
        &self,
        submitted: Submitted,
        personal: Option<&millrace_contract::personal::v1::Personal>,
        actor: &Actor,
    ) -> Result<Taken, Status> {
        let desk = &self.desk;
        let number = submitted.order.number.to_string();
        for _ in 0..TRIES {
            let loaded = desk
                .orders
                .load(&submitted.order.stream())
                .await
                .map_err(|error| refusal::away(&error))?;
            let Some(loaded) = loaded else {
                return Err(rejection::conflict("changed meanwhile, try again"));
            };
            let known = &loaded.taken.order.personal;
            // What a person mended here is not what the shop sends again; what was erased nobody can compare any more.
            let same_person = loaded.taken.mends > 0
                || match (known, personal) {
                    (None, None) => true,
                    (Some(_), Some(personal)) => desk
                        .personal(&loaded.taken)
                        .await?
                        .is_none_or(|known| known == *personal),
                    (Some(_), None) | (None, Some(_)) => false,
                };
            let command = Command::Submit(Submitted {
                same_person,
                ..submitted.clone()
            });
            match desk.orders.carry_out(loaded, command, actor).await {
                Err(OrderError::Conflict) => {}
                outcome => return outcome.map_err(|error| refusal::failed(error, &number)),
            }
        }
        Err(rejection::conflict("changed meanwhile, try again"))
    }

    fn say(&self, taken: &Taken) {
        let number = &taken.order.number;
        self.desk.accepted.inc();
        if taken.phase == Phase::Held {
            self.desk.held.inc();
            let reasons = taken.reasons.len();
            info!(order.number = %number, order.channel = %taken.order.channel, reasons, "order {number} is taken and held");
            return;
        }
        info!(order.number = %number, order.channel = %taken.order.channel, "order {number} is taken");
    }
}

#[tonic::async_trait]
impl OrderService for OrderApi {
    #[instrument(skip_all)]
    async fn submit_order(
        &self,
        request: Request<proto::SubmitOrderRequest>,
    ) -> Result<Response<proto::SubmitOrderResponse>, Status> {
        self.take(request).await.map(Response::new)
    }

    #[instrument(skip_all)]
    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::GetOrderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let channel = self
            .desk
            .channel(&caller, "order:read", "channel", &request.channel)?;
        if request.include_personal {
            caller.may("order:personal", channel.code.as_str())?;
        }
        let number = Desk::number("order_number", &request.order_number)?;
        let loaded = self.desk.load(channel, &number).await?;
        let mut view = wire::view(&loaded.taken);
        let stream = loaded.taken.order.stream();
        let returns = self.desk.listing.returns(&stream).await;
        view.returns = returns.map_err(|error| refusal::away(&error))?;
        if request.include_personal {
            view.personal = self.desk.personal(&loaded.taken).await?;
        }
        if caller.may("order:admin", channel.code.as_str()).is_ok() {
            let trouble = self.desk.work.trouble(&stream).await;
            view.waits_because = trouble.map_err(|error| refusal::away(&error))?;
        }
        Ok(Response::new(proto::GetOrderResponse { order: Some(view) }))
    }

    #[instrument(skip_all)]
    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let channel = self
            .desk
            .channel(&caller, "order:read", "channel", &request.channel)?;
        let limit = page::size(request.page_size)?;
        let before = page::position(&request.page_token, i64::MAX)?;
        let state = proto::OrderState::try_from(request.state).map_err(|_| {
            rejection::bad_request(
                "state",
                format!("{} is no state of an order", request.state),
            )
        })?;
        let page = self
            .desk
            .listing
            .orders(channel.code.as_str(), state, before, limit)
            .await;
        let page = page.map_err(|error| refusal::away(&error))?;
        let next_page_token = page::token(page.next);
        Ok(Response::new(proto::ListOrdersResponse {
            orders: page.orders,
            next_page_token,
        }))
    }

    type WatchOrdersStream = ReceiverStream<Result<proto::WatchOrdersResponse, Status>>;

    #[instrument(skip_all)]
    async fn watch_orders(
        &self,
        request: Request<proto::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let channel = self
            .desk
            .channel(&caller, "order:read", "channel", &request.channel)?;
        let numbers = request
            .order_numbers
            .iter()
            .map(|number| Desk::number("order_numbers", number));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        watch::begin(self.desk.clone(), channel.code.clone(), &numbers)
            .await
            .map(Response::new)
    }
}
