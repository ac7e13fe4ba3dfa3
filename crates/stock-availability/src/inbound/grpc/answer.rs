//! Answers, written straight as protobuf: the same bytes the generated messages would make, without making them.

use std::sync::Arc;

use bytes::BufMut;
use millrace_contract::stock::v1::Source;

use crate::index::{Name, PARTS_PER_UNIT, Reading};

/// One `Availability`, ready to be written.
pub struct Answer<'a> {
    pub number: &'a [u8],
    pub variant: &'a [u8],
    pub reading: Reading,
    /// Whether the channel deducts its own orders, so that `allocation` is told.
    pub allocation: bool,
    pub unit: &'a str,
    pub source: Source,
    pub stale: bool,
    pub locations: Locations<'a>,
}

/// The figure of each location, where it was asked for.
pub enum Locations<'a> {
    None,
    /// Numbers and the codes they stand for.
    Numbered(&'a [(Name, i64)], &'a [Arc<str>]),
    Named(&'a [(&'a str, i64)]),
}

/// Room on the stack for an answer; one that may be longer takes a buffer.
const USUAL: usize = 256;
/// Texts up to here leave enough of it for all numbers at their longest.
const USUAL_TEXTS: usize = 100;
/// Before the answer: the field's key and a length of one or two bytes.
const BEFORE: usize = 3;

impl Answer<'_> {
    /// Writes the answer as field 1 of a response.
    #[inline]
    pub fn put(&self, target: &mut impl BufMut) {
        let texts = self.number.len() + self.variant.len() + self.unit.len();
        if texts > USUAL_TEXTS || !matches!(self.locations, Locations::None) {
            return self.put_long(target);
        }
        let mut room = [0; USUAL];
        let mut sink = Slice {
            room: &mut room,
            at: BEFORE,
        };
        self.write(&mut sink);
        let end = sink.at;
        // The length is known only now; it stands right before what it counts.
        let size = end - BEFORE;
        let from = if size < 0x80 { 1 } else { 0 };
        let mut before = Slice {
            room: &mut room,
            at: from,
        };
        before.byte(1 << 3 | 2);
        before.varint(size as u64);
        target.put_slice(&room[from..end]);
    }

    fn put_long(&self, target: &mut impl BufMut) {
        let size = self.size();
        let mut room = vec![0; 1 + varint_size(size as u64) + size];
        let mut sink = Slice {
            room: &mut room,
            at: 0,
        };
        sink.nested(1, self);
        target.put_slice(&room);
    }

    fn each_location(&self, mut tell: impl FnMut(&str, i64)) {
        match self.locations {
            Locations::None => {}
            Locations::Numbered(locations, codes) => {
                for (location, available) in locations {
                    tell(
                        codes.get(usize::from(*location)).map_or("", |code| code),
                        *available,
                    );
                }
            }
            Locations::Named(locations) => locations
                .iter()
                .for_each(|(location, available)| tell(location, *available)),
        }
    }
}

/// Where bytes go: a buffer, or a count.
trait Sink: Sized {
    fn byte(&mut self, byte: u8);
    fn slice(&mut self, bytes: &[u8]);

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A number field; zero is not written.
    #[inline]
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.byte(field << 3);
            self.varint(value);
        }
    }

    /// A text field; the empty one is not written.
    #[inline]
    fn text(&mut self, field: u8, value: &[u8]) {
        if !value.is_empty() {
            self.byte(field << 3 | 2);
            self.varint(value.len() as u64);
            self.slice(value);
        }
    }

    /// A message field; written even if empty.
    #[inline]
    fn nested(&mut self, field: u8, value: &impl Wire) {
        self.byte(field << 3 | 2);
        self.varint(value.size() as u64);
        value.write(self);
    }
}

trait Wire {
    fn write(&self, sink: &mut impl Sink);

    #[inline]
    fn size(&self) -> usize {
        let mut count = Count(0);
        self.write(&mut count);
        count.0
    }
}

struct Count(usize);

impl Sink for Count {
    #[inline]
    fn byte(&mut self, _: u8) {
        self.0 += 1;
    }
    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    #[inline]
    fn varint(&mut self, value: u64) {
        self.0 += varint_size(value);
    }
    #[inline]
    fn nested(&mut self, _: u8, value: &impl Wire) {
        let size = value.size();
        self.0 += 1 + varint_size(size as u64) + size;
    }
}

struct Slice<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Sink for Slice<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.room[self.at] = byte;
        self.at += 1;
    }
    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
    /// Without counting first: almost every message is short, and its length one byte that can be filled in afterwards.
    #[inline]
    fn nested(&mut self, field: u8, value: &impl Wire) {
        self.byte(field << 3 | 2);
        let length = self.at;
        self.at += 1;
        value.write(self);
        let size = self.at - length - 1;
        if size < 0x80 {
            self.room[length] = size as u8;
            return;
        }
        let end = self.at;
        let more = varint_size(size as u64) - 1;
        self.room.copy_within(length + 1..end, length + 1 + more);
        self.at = length;
        self.varint(size as u64);
        self.at = end + more;
    }
}

#[inline]
fn varint_size(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// `millrace.stock.v1.Sku`
struct Sku<'a>(&'a [u8], &'a [u8]);

impl Wire for Sku<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.text(1, self.0);
        sink.text(2, self.1);
    }
}

/// `millrace.values.v1.Decimal`, from parts of a unit.
struct Decimal(i64);

impl Wire for Decimal {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.number(1, (self.0 / PARTS_PER_UNIT) as u64);
        sink.number(
            2,
            (self.0 % PARTS_PER_UNIT * (1_000_000_000 / PARTS_PER_UNIT)) as u64,
        );
    }
}

/// `google.protobuf.Timestamp`, from milliseconds since 1970.
struct Moment(i64);

impl Wire for Moment {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.number(1, self.0.div_euclid(1000) as u64);
        sink.number(2, (self.0.rem_euclid(1000) * 1_000_000) as u64);
    }
}

/// `millrace.stock.v1.LocationAvailability`
struct Location<'a>(&'a str, i64, Moment);

impl Wire for Location<'_> {
    fn write(&self, sink: &mut impl Sink) {
        sink.text(1, self.0.as_bytes());
        sink.nested(2, &Decimal(self.1.max(0)));
        sink.nested(3, &self.2);
    }
}

/// `millrace.stock.v1.Availability`
impl Wire for Answer<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        let reading = &self.reading;
        sink.nested(1, &Sku(self.number, self.variant));
        if reading.known {
            sink.number(2, 1);
            sink.nested(3, &Decimal(reading.available));
            if self.allocation {
                sink.nested(4, &Decimal(reading.allocation));
            }
            sink.text(5, self.unit.as_bytes());
            sink.nested(6, &Moment(reading.as_of));
        }
        sink.number(7, reading.version);
        sink.number(8, self.source as u64);
        sink.number(9, u64::from(self.stale));
        self.each_location(|location, available| {
            sink.nested(10, &Location(location, available, Moment(reading.as_of)));
        });
    }
}

#[cfg(test)]
mod tests {
    use millrace_contract::stock::v1 as wire;
    use millrace_contract::values::v1 as values;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn decimal(parts: i64) -> values::Decimal {
        values::Decimal {
            units: parts / PARTS_PER_UNIT,
            nanos: (parts % PARTS_PER_UNIT * 10_000) as i32,
        }
    }

    fn moment(millis: i64) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: millis.div_euclid(1000),
            nanos: (millis.rem_euclid(1000) * 1_000_000) as i32,
        }
    }

    proptest! {
        #[test]
        fn an_answer_is_what_the_generated_message_would_be(
            number in "\\PC{0,60}", variant in "\\PC{0,20}", unit in "\\PC{0,10}", known: bool, stale: bool, allocates: bool,
            available in 0..i64::MAX, allocation in 0..i64::MAX, version: u64, as_of in 0..253_402_300_799_999_i64,
            locations in prop::collection::vec(("\\PC{0,20}", any::<i64>()), 0..30),
        ) {
            let reading = Reading { known, available, allocation, unit: 0, as_of, version };
            let named: Vec<(&str, i64)> = locations.iter().map(|(code, available)| (code.as_str(), *available)).collect();
            let answer = Answer {
                number: number.as_bytes(), variant: variant.as_bytes(), reading, allocation: allocates, unit: &unit,
                source: Source::Live, stale, locations: Locations::Named(&named),
            };
            let mut bytes = Vec::new();
            answer.put(&mut bytes);
            let expected = wire::GetAvailabilityResponse {
                availability: Some(wire::Availability {
                    sku: Some(wire::Sku { item_number: number, variant_code: variant }),
                    known,
                    available: known.then(|| decimal(available)),
                    allocation: (known && allocates).then(|| decimal(allocation)),
                    unit: if known { unit } else { String::new() },
                    as_of: known.then(|| moment(as_of)),
                    version,
                    source: Source::Live as i32,
                    stale,
                    locations: locations.iter().map(|(code, available)| wire::LocationAvailability {
                        location_code: code.clone(),
                        available: Some(decimal((*available).max(0))),
                        as_of: Some(moment(as_of)),
                    }).collect(),
                }),
            };
            prop_assert_eq!(expected.encode_to_vec(), bytes);
        }
    }
}
