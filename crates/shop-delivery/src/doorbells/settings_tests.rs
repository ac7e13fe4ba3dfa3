//! Settings as they are written.

use millrace_doorbell::SystemNames;
use millrace_values::Channel;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn read(channels: &str) -> Result<Doorbells, DoorbellsError> {
    let config: Config = toml::from_str(channels).unwrap();
    let names: Arc<dyn Names> = Arc::new(SystemNames);
    let channel: Channel = toml::from_str(
        "code = 'furniture'\nerp = 'bc-main'\nlanguages = ['en']\nlocation_group = ['EAST']\ncurrency = 'EUR'\nprices_include_tax = false",
    )
    .unwrap();
    Doorbells::new(&config, &Channels::new([channel]).unwrap(), &names)
}

fn doorbell(more: &str) -> Result<Arc<Doorbell>, DoorbellsError> {
    let text = format!(
        "[[channels]]\nchannel = 'furniture'\n[[channels.doorbells]]\nname = 'shop'\nurl = 'https://shop.example/'\nsecrets = ['{SECRET}']\n{more}"
    );
    let furniture = ChannelCode::parse("furniture").unwrap();
    Ok(read(&text)?.of(&furniture).bells["shop"].clone())
}

#[test]
fn a_doorbell_needs_a_name_an_address_and_a_secret() {
    let plain = doorbell("").unwrap();
    assert_eq!(plain.rhythm, Rhythm::AtOnce);
    assert_eq!(plain.together, Together::Never);
    assert!(!plain.full_payload);
    assert!(plain.chosen.has("millrace.items.v1.ItemChanged"));
    assert!(
        !plain
            .chosen
            .has("millrace.doorbells.v1.DoorbellSwitchedOff"),
        "a doorbell rings not for doorbells"
    );
}

/// Rows 97 and 100.
#[test]
fn when_it_rings_for_what_and_with_what_is_the_shops_choice() {
    let own = doorbell(
        "kinds = ['prices']\npayload = 'full'\nat = ['18:00', '06:00']\ntime_zone = 'Europe/Berlin'\ncoalesce = { by = 'key', within = '10s' }",
    )
    .unwrap();
    assert!(own.full_payload && own.chosen.topics() == ["prices"]);
    assert_eq!(own.together, Together::ByKey);
    assert_eq!(own.within, SignedDuration::from_secs(10));
    assert!(matches!(&own.rhythm, Rhythm::At { times, .. } if times.len() == 2));
    let every = doorbell("every = '15m'").unwrap();
    assert_eq!(every.rhythm, Rhythm::Every(SignedDuration::from_mins(15)));
}

#[test]
fn what_cannot_be_meant_is_said_in_one_line_that_names_the_setting() {
    for (more, says) in [
        ("kinds = ['item']", "kinds: item is no kind of change"),
        (
            "kinds = ['doorbells']",
            "kinds: doorbells is no kind of change",
        ),
        ("every = '10ms'", "every: 1s to 24h"),
        ("every = '1h'\nat = ['06:00']", "every: stands beside at"),
        (
            "at = ['25:00']\ntime_zone = 'UTC'",
            "at: \"25:00\" is no time of day",
        ),
        ("at = ['06:00']", "time_zone: is missing beside at"),
        (
            "at = ['06:00']\ntime_zone = 'Mars'",
            "time_zone: nobody knows \"Mars\"",
        ),
        (
            "time_zone = 'UTC'",
            "time_zone: is for a doorbell with times",
        ),
        (
            "coalesce = { by = 'key', within = '25h' }",
            "coalesce.within: at most 24h",
        ),
        (
            "secret_files = ['/nowhere/secret']",
            "secret_files: /nowhere/secret cannot be read",
        ),
        (
            "body = '{{nothing}}'",
            "body: the placeholder at character 1 is none of",
        ),
        ("method = 'post'", "method: is none of POST"),
    ] {
        let error = doorbell(more).unwrap_err().to_string();
        let wanted = format!("shop_delivery.channels: furniture: doorbell \"shop\": {says}");
        assert!(error.starts_with(&wanted), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let twice = "[[channels]]\nchannel = 'furniture'\n[[channels]]\nchannel = 'furniture'";
    assert_eq!(
        read(twice).unwrap_err().to_string(),
        "shop_delivery.channels: furniture is there twice"
    );
    assert_eq!(
        read("[[channels]]\nchannel = 'toys'")
            .unwrap_err()
            .to_string(),
        "shop_delivery.channels: toys is no channel"
    );
}

#[test]
fn a_secret_may_stand_in_a_file_and_is_printed_nowhere() {
    let file = std::env::temp_dir().join(millrace_test_rig::unique("secret"));
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let more = format!(
        "secret_files = ['{}']\nheaders = {{ authorization = 'canary' }}",
        file.display()
    );
    let read = doorbell(&more);
    std::fs::remove_file(&file).unwrap();
    let shown = format!("{:?}", read.unwrap());
    assert!(
        !shown.contains("whsec") && !shown.contains("canary"),
        "{shown}"
    );
    let settings =
        format!("name = 'shop'\nurl = 'https://canary.example/'\nsecrets = ['{SECRET}']");
    let settings: DoorbellSettings = toml::from_str(&settings).unwrap();
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("whsec") && !shown.contains("canary"),
        "{shown}"
    );
}
