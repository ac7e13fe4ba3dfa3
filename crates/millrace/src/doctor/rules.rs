//! Settings that can be read one by one and contradict each other, or would let nobody in. A start refuses some of them; here all
//! are told at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_service_kit::checkup::Finding;
use millrace_values::Channels;

use crate::settings::{BusKind, Settings};
use crate::system::{Selection, ServiceName};

const CHECK: &str = "settings";

pub(super) fn examine(settings: &Settings, selection: &Selection) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |found: String, mend: &str| findings.push(Finding::wrong(CHECK, found, mend));
    bus(settings, selection, &mut wrong);
    keys(settings, selection, &mut wrong);
    match settings.channels() {
        Ok(channels) => shops(settings, selection, &channels, &mut wrong),
        Err(error) => wrong(
            error.to_string(),
            "the entry of [[channels]] that the message names",
        ),
    }
    tokens(settings, &mut wrong);
    if findings.is_empty() {
        findings.push(Finding::right(CHECK, "can be read, and fit together"));
    }
    findings
}

fn bus(settings: &Settings, selection: &Selection, wrong: &mut impl FnMut(String, &str)) {
    if settings.bus.kind == BusKind::Embedded && !selection.is_all() {
        let found = "bus.kind is \"embedded\", which joins services of one process, and some services run alone";
        wrong(
            found.to_owned(),
            "millrace run all, or bus.kind = \"kafka\" and bus.kafka.bootstrap",
        );
    }
    if settings.bus.kind == BusKind::Embedded && settings.database_is_a_server() {
        let found = "bus.kind is \"embedded\" beside PostgreSQL: a second process on the same database would hear nothing of the first";
        wrong(
            found.to_owned(),
            "run one process only; for several, bus.kind = \"kafka\"",
        );
    }
}

fn keys(settings: &Settings, selection: &Selection, wrong: &mut impl FnMut(String, &str)) {
    const KEY: &str = "personal.key (MILLRACE_PERSONAL__KEY_FILE): openssl rand -base64 32, the same for every process, kept for ever";
    let key = settings.personal.key.expose();
    if key.is_empty() && settings.database_is_a_server() {
        wrong("personal.key is empty".to_owned(), KEY);
    }
    let decoded = STANDARD.decode(key.trim());
    if !key.is_empty() && !decoded.is_ok_and(|bytes| bytes.len() == 32) {
        wrong("personal.key is not the Base64 of 32 bytes".to_owned(), KEY);
    }
    let alone = !selection.is_all();
    let called =
        selection.has(ServiceName::OrderIntake) || selection.has(ServiceName::CustomerSync);
    if alone && called && settings.services.token.expose().is_empty() {
        let found =
            "services.token is empty: order-intake and customer-sync will not know each other";
        wrong(
            found.to_owned(),
            "services.token (MILLRACE_SERVICES__TOKEN_FILE), the same for both",
        );
    }
    let calls =
        selection.has(ServiceName::OrderIntake) && !selection.has(ServiceName::CustomerSync);
    if calls && settings.services.customer_sync.is_empty() {
        let found = "services.customer_sync is empty, and customer-sync runs elsewhere";
        wrong(
            found.to_owned(),
            "services.customer_sync = \"http://<its address>:50051\"",
        );
    }
}

fn shops(
    settings: &Settings,
    selection: &Selection,
    channels: &Channels,
    wrong: &mut impl FnMut(String, &str),
) {
    if channels.iter().next().is_none() {
        wrong(
            "channels is empty".to_owned(),
            "describe at least one webshop: [[channels]]",
        );
    }
    match &settings.erp {
        None => wrong(
            "erp is missing".to_owned(),
            "say where Business Central is: [erp]",
        ),
        Some(erp) => {
            for channel in channels.iter().filter(|channel| channel.erp != erp.code) {
                let found = format!(
                    "channel {} sells for erp {}, but the erp is {}",
                    channel.code, channel.erp, erp.code
                );
                wrong(found, "the channel's erp, or erp.code");
            }
        }
    }
    if let Err(error) = millrace_reservation::Stores::new(&settings.reservation.stores, channels) {
        wrong(error.to_string(), "[[reservation.stores]]");
    }
    if let Err(error) = millrace_returns::ChannelRules::new(&settings.returns, channels) {
        wrong(error.to_string(), "[[returns.channels]]");
    }
    // Secrets in files are there for those who ring.
    if selection.has(ServiceName::ShopDelivery)
        && let Err(error) = settings.doorbells()
    {
        wrong(error.to_string(), "[[shop_delivery.channels.doorbells]]");
    }
    for token in &settings.tokens {
        if let Some(channel) = &token.channel
            && !channels.iter().any(|known| known.code.as_str() == channel)
        {
            let found = format!(
                "token {} belongs to channel {channel}, which there is not",
                token.name
            );
            wrong(found, "the token's channel, or [[channels]]");
        }
    }
}

fn tokens(settings: &Settings, wrong: &mut impl FnMut(String, &str)) {
    if settings.tokens.is_empty() {
        wrong(
            "tokens is empty: nobody gets in".to_owned(),
            "one entry per caller: [[tokens]]",
        );
    }
}
