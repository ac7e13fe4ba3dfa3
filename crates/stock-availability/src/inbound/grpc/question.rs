//! Requests as they arrive: checked once, then read in place. No message structs on the way to an answer.

use bytes::{Buf, Bytes};
use millrace_contract::stock::v1 as wire;
use millrace_service_kit::rejection::bad_request;
use millrace_values::{Sku, VariantCode};
use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};

use super::fields::{Fields, Value};

/// Most questions in one request.
pub const MOST: u32 = 1000;

/// Which of the four requests: they differ in field numbers and in whether `sku` repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Get,
    Batch,
    Stream,
    Watch,
}

impl Shape {
    fn repeats(self) -> bool {
        match self {
            Self::Batch | Self::Watch => true,
            Self::Get | Self::Stream => false,
        }
    }

    fn source_field(self) -> Option<u64> {
        match self {
            Self::Get | Self::Batch => Some(3),
            Self::Stream | Self::Watch => None,
        }
    }

    fn by_location_field(self) -> u64 {
        match self {
            Self::Get | Self::Batch => 4,
            Self::Stream | Self::Watch => 3,
        }
    }

    /// The same message as prost writes it; for the rare one that is valid but written in another way.
    fn rewritten(self, body: Bytes) -> Option<Bytes> {
        fn again<M: Message + Default>(body: Bytes) -> Option<Bytes> {
            Some(M::decode(body).ok()?.encode_to_vec().into())
        }
        match self {
            Self::Get => again::<wire::GetAvailabilityRequest>(body),
            Self::Batch => again::<wire::BatchGetAvailabilityRequest>(body),
            Self::Stream => again::<wire::StreamAvailabilityRequest>(body),
            Self::Watch => again::<wire::WatchAvailabilityRequest>(body),
        }
    }

    fn sku_path(self, at: usize) -> String {
        if self.repeats() {
            format!("skus[{at}]")
        } else {
            "sku".to_owned()
        }
    }
}

/// A request: the message's own bytes, and where things stand in them.
#[derive(Debug, Clone)]
pub struct Asked {
    pub shape: Shape,
    body: Bytes,
    channel: (u32, u32),
    pub source: i32,
    pub by_location: bool,
    /// How many are asked for.
    pub count: u32,
    /// All codes are valid at a glance.
    plain: bool,
}

/// One question: item number and variant.
pub type Question<'a> = (&'a [u8], &'a [u8]);

impl Asked {
    /// `None`: no message of this kind.
    pub fn parse(shape: Shape, body: Bytes) -> Option<Self> {
        match scan(shape, &body) {
            Some(fields) => Some(fields.with(shape, body)),
            None => {
                let body = shape.rewritten(body)?;
                scan(shape, &body).map(|fields| fields.with(shape, body))
            }
        }
    }

    pub fn channel(&self) -> &str {
        let (from, to) = self.channel;
        str::from_utf8(&self.body[from as usize..to as usize]).unwrap_or_default()
    }

    /// In the order they were asked.
    #[inline]
    pub fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        let mut fields = Fields(&self.body);
        std::iter::from_fn(move || {
            if let Some(number) = fields.item_alone() {
                return Some((number, &number[..0]));
            }
            while let Some((key, value)) = fields.next_field()? {
                if let (SKU, Value::Bytes(sku)) = (key, value) {
                    return sku_of(sku);
                }
            }
            None
        })
    }

    /// # Errors
    /// `INVALID_ARGUMENT` names the field.
    pub fn check(&self) -> Result<(), Status> {
        if self.shape.repeats() && !(1..=MOST).contains(&self.count) {
            let why = format!("must be 1 to {MOST}, not {}", self.count);
            return Err(bad_request("skus", why));
        }
        if self.count == 0 {
            return Err(bad_request("sku", "is missing"));
        }
        if !self.plain {
            self.check_codes()?;
        }
        match wire::Source::try_from(self.source) {
            Ok(wire::Source::Unspecified | wire::Source::Index | wire::Source::Live) => Ok(()),
            Ok(wire::Source::IndexFallback) => Err(bad_request(
                "source",
                "is something an answer says, not a question",
            )),
            Err(_) => Err(bad_request(
                "source",
                format!("{} is not known", self.source),
            )),
        }
    }

    fn check_codes(&self) -> Result<(), Status> {
        for (at, (number, variant)) in self.questions().enumerate() {
            if !is_plain(number) {
                Sku::parse(&String::from_utf8_lossy(number)).map_err(|error| {
                    bad_request(
                        format!("{}.item_number", self.shape.sku_path(at)),
                        error.to_string(),
                    )
                })?;
            }
            if !variant.is_empty() && !is_plain(variant) {
                VariantCode::parse_optional(&String::from_utf8_lossy(variant)).map_err(
                    |error| {
                        bad_request(
                            format!("{}.variant_code", self.shape.sku_path(at)),
                            error.to_string(),
                        )
                    },
                )?;
            }
        }
        Ok(())
    }

    pub fn wants_live(&self) -> bool {
        self.source == wire::Source::Live as i32
    }
}

/// The usual code, valid at a glance.
#[inline]
fn is_plain(code: &[u8]) -> bool {
    let (words, rest) = code.as_chunks::<8>();
    let odd = words
        .iter()
        .fold(0, |odd, word| odd | odd_bytes(u64::from_le_bytes(*word)));
    (1..=50).contains(&code.len())
        && odd == 0
        && rest.iter().all(|byte| (0x21..0x7f).contains(byte))
}

/// Zero when all eight bytes are printable and none is a space: then none has its top bit set, neither itself nor one more nor
/// 0x21 less.
#[inline]
fn odd_bytes(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    (word | word.wrapping_add(EACH) | word.wrapping_sub(EACH * 0x21)) & (EACH * 0x80)
}

/// Makes an [`Asked`] of a message's bytes without copying them.
pub struct AskedDecoder(pub Shape);

impl Decoder for AskedDecoder {
    type Item = Asked;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Asked>, Status> {
        let body = source.copy_to_bytes(source.remaining());
        Asked::parse(self.0, body)
            .map(Some)
            .ok_or_else(|| bad_request("message", "cannot be decoded"))
    }
}

const CHANNEL: u64 = 1;
const SKU: u64 = 2;

#[derive(Default)]
struct Found {
    channel: (u32, u32),
    source: i32,
    by_location: bool,
    count: u32,
    odd: bool,
}

impl Found {
    /// `None`: more than the shape has room for, or no text.
    #[inline]
    fn see(&mut self, shape: Shape, (number, variant): Question<'_>) -> Option<()> {
        if !is_plain(number) || !(variant.is_empty() || is_plain(variant)) {
            self.odd = true;
            str::from_utf8(number).ok()?;
            str::from_utf8(variant).ok()?;
        }
        self.count += 1;
        (self.count == 1 || shape.repeats()).then_some(())
    }

    fn with(self, shape: Shape, body: Bytes) -> Asked {
        Asked {
            shape,
            body,
            channel: self.channel,
            source: self.source,
            by_location: self.by_location,
            count: self.count,
            plain: !self.odd,
        }
    }
}

/// `None`: broken, or written in a way that only a full decoder understands (groups, a single field given in pieces).
fn scan(shape: Shape, body: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    let mut fields = Fields(body);
    loop {
        while let Some(number) = fields.item_alone() {
            found.see(shape, (number, &[]))?;
        }
        let Some(field) = fields.next_field()? else {
            return Some(found);
        };
        match field {
            (CHANNEL, Value::Bytes(channel)) => {
                str::from_utf8(channel).ok()?;
                let to = body.len() - fields.0.len();
                found.channel = (
                    u32::try_from(to - channel.len()).ok()?,
                    u32::try_from(to).ok()?,
                );
            }
            (SKU, Value::Bytes(sku)) => found.see(shape, sku_of(sku)?)?,
            (field, Value::Number(value)) if Some(field) == shape.source_field() => {
                found.source = value as i32
            }
            (field, Value::Number(value)) if field == shape.by_location_field() => {
                found.by_location = value != 0
            }
            // A known field of another type is broken; prost says so.
            (1..=4, Value::Bytes(_) | Value::Number(_) | Value::Other) => return None,
            (_, Value::Bytes(_) | Value::Number(_) | Value::Other) => {}
        }
    }
}

fn sku_of(bytes: &[u8]) -> Option<Question<'_>> {
    let (mut number, mut variant) = (&bytes[..0], &bytes[..0]);
    let mut fields = Fields(bytes);
    loop {
        match fields.next_field()? {
            None => return Some((number, variant)),
            Some((1, Value::Bytes(value))) => number = value,
            Some((2, Value::Bytes(value))) => variant = value,
            Some((1 | 2, Value::Number(_) | Value::Other)) => return None,
            Some((_, Value::Bytes(_) | Value::Number(_) | Value::Other)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sku(number: &str, variant: &str) -> wire::Sku {
        wire::Sku {
            item_number: number.into(),
            variant_code: variant.into(),
        }
    }

    fn batch(skus: Vec<wire::Sku>) -> Bytes {
        let request = wire::BatchGetAvailabilityRequest {
            channel: "shop".into(),
            skus,
            source: 2,
            by_location: true,
        };
        request.encode_to_vec().into()
    }

    proptest! {
        #[test]
        fn what_prost_writes_is_read_the_same(
            channel in "\\PC{0,40}", skus in prop::collection::vec(("\\PC{0,60}", "\\PC{0,60}"), 0..20), source: i32, by_location: bool,
        ) {
            let request = wire::BatchGetAvailabilityRequest {
                channel: channel.clone(),
                skus: skus.iter().map(|(number, variant)| sku(number, variant)).collect(),
                source,
                by_location,
            };
            let asked = Asked::parse(Shape::Batch, request.encode_to_vec().into()).unwrap();
            prop_assert_eq!((asked.channel(), asked.source, asked.by_location), (channel.as_str(), source, by_location));
            let read: Vec<_> = asked.questions().map(|(number, variant)| (number.to_vec(), variant.to_vec())).collect();
            let sent: Vec<_> = skus.into_iter().map(|(number, variant)| (number.into_bytes(), variant.into_bytes())).collect();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn any_bytes_are_read_as_prost_reads_them_or_not_at_all(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let prost = wire::GetAvailabilityRequest::decode(body.as_slice());
            let ours = Asked::parse(Shape::Get, body.into());
            match (prost, ours) {
                (Ok(prost), Some(ours)) => {
                    prop_assert_eq!(ours.channel(), prost.channel.as_str());
                    let question = prost.sku.unwrap_or_default();
                    let (number, variant) = ours.questions().next().unwrap_or_default();
                    prop_assert_eq!((number, variant), (question.item_number.as_bytes(), question.variant_code.as_bytes()));
                    prop_assert_eq!((ours.source, ours.by_location), (prost.source, prost.by_location));
                }
                (Err(_), None) => {}
                (prost, ours) => prop_assert!(false, "{prost:?} but {ours:?}"),
            }
        }
    }

    #[test]
    fn one_sku_given_in_two_pieces_is_still_one() {
        let mut body = wire::GetAvailabilityRequest {
            sku: Some(sku("1900-S", "")),
            ..Default::default()
        }
        .encode_to_vec();
        body.extend(
            wire::GetAvailabilityRequest {
                sku: Some(sku("", "RED")),
                ..Default::default()
            }
            .encode_to_vec(),
        );
        let asked = Asked::parse(Shape::Get, body.into()).unwrap();
        assert_eq!(
            asked.questions().next(),
            Some((b"1900-S".as_slice(), b"RED".as_slice()))
        );
    }

    #[test]
    fn a_question_without_a_number_is_refused_by_its_place() {
        let asked =
            Asked::parse(Shape::Batch, batch(vec![sku("1900-S", ""), sku("", "RED")])).unwrap();
        assert_eq!(
            asked.check().unwrap_err().message(),
            "skus[1].item_number: item number is empty"
        );
    }

    #[test]
    fn none_and_more_than_a_thousand_are_refused() {
        for count in [0, 1001] {
            let asked = Asked::parse(Shape::Batch, batch(vec![sku("1900-S", ""); count])).unwrap();
            assert_eq!(
                asked.check().unwrap_err().message(),
                format!("skus: must be 1 to 1000, not {count}")
            );
        }
    }

    #[test]
    fn a_source_nobody_knows_is_refused() {
        for (source, why) in [
            (3, "source: is something an answer says, not a question"),
            (9, "source: 9 is not known"),
        ] {
            let request = wire::GetAvailabilityRequest {
                sku: Some(sku("1900-S", "")),
                source,
                ..Default::default()
            };
            let asked = Asked::parse(Shape::Get, request.encode_to_vec().into()).unwrap();
            assert_eq!(asked.check().unwrap_err().message(), why);
        }
    }

    #[test]
    fn control_characters_and_numbers_too_long_are_refused() {
        for number in ["1900\u{0}S", &"x".repeat(101)] {
            let request = wire::GetAvailabilityRequest {
                sku: Some(sku(number, "")),
                ..Default::default()
            };
            let asked = Asked::parse(Shape::Get, request.encode_to_vec().into()).unwrap();
            assert_eq!(
                asked.check().unwrap_err().code(),
                tonic::Code::InvalidArgument
            );
        }
    }
}
