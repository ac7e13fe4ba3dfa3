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

/// Room for an answer; one that may be longer takes a buffer of its own.
const USUAL: usize = 256;
/// Texts up to here leave enough of it for all numbers at their longest.
const USUAL_TEXTS: usize = 100;

/// Answers gather on the stack and go on a sheet at a time: the frame's buffer wants to be asked for room before each piece.
pub struct Sheet<'a, B: BufMut> {
    target: &'a mut B,
    room: [u8; USUAL * 4],
    at: usize,
}

impl<'a, B: BufMut> Sheet<'a, B> {
    #[inline]
    pub fn on(target: &'a mut B) -> Self {
        Self {
            target,
            room: [0; USUAL * 4],
            at: 0,
        }
    }

    #[inline]
    fn hand_on(&mut self) {
        self.target.put_slice(&self.room[..self.at]);
        self.at = 0;
    }
}

impl<B: BufMut> Drop for Sheet<'_, B> {
    #[inline]
    fn drop(&mut self) {
        self.hand_on();
    }
}

impl Answer<'_> {
    /// Writes the answer as field 1 of a response.
    #[inline(always)]
    pub fn put(&self, sheet: &mut Sheet<'_, impl BufMut>) {
        let texts = self.number.len() + self.variant.len() + self.unit.len();
        if texts > USUAL_TEXTS || !matches!(self.locations, Locations::None) {
            sheet.hand_on();
            return self.put_long(sheet.target);
        }
        if sheet.room.len() - sheet.at < USUAL {
            sheet.hand_on();
        }
        let mut sink = Slice {
            room: &mut sheet.room,
            at: sheet.at,
        };
        sink.nested(1, self);
        sheet.at = sink.at;
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
    fn varint(&mut self, value: u64);

    /// A number field; zero is not written.
    #[inline(always)]
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.byte(field << 3);
            self.varint(value);
        }
    }

    /// A text field; the empty one is not written.
    #[inline(always)]
    fn text(&mut self, field: u8, value: &[u8]) {
        if !value.is_empty() {
            self.byte(field << 3 | 2);
            self.varint(value.len() as u64);
            self.slice(value);
        }
    }

    /// A message field; written even if empty.
    #[inline(always)]
    fn nested(&mut self, field: u8, value: &impl Wire) {
        self.byte(field << 3 | 2);
        self.varint(value.size() as u64);
        value.write(self);
    }
}

trait Wire {
    fn write(&self, sink: &mut impl Sink);

    #[inline(always)]
    fn size(&self) -> usize {
        let mut count = Count(0);
        self.write(&mut count);
        count.0
    }
}

struct Count(usize);

impl Sink for Count {
    #[inline(always)]
    fn byte(&mut self, _: u8) {
        self.0 += 1;
    }
    #[inline(always)]
    fn slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    #[inline(always)]
    fn varint(&mut self, value: u64) {
        self.0 += varint_size(value);
    }
    #[inline(always)]
    fn nested(&mut self, _: u8, value: &impl Wire) {
        let size = value.size();
        self.0 += 1 + varint_size(size as u64) + size;
    }
}

struct Slice<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Slice<'_> {
    /// Touches no byte beyond the number.
    fn varint_alone(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }
}

impl Sink for Slice<'_> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.room[self.at] = byte;
        self.at += 1;
    }
    #[inline(always)]
    fn slice(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        copy_short(&mut self.room[self.at..end], bytes);
        self.at = end;
    }
    /// All bytes at once where seven bits of each do and eight bytes are free: times and most quantities.
    #[inline(always)]
    fn varint(&mut self, value: u64) {
        if value < 1 << 35
            && let Some(place) = self.room[self.at..].first_chunk_mut::<8>()
        {
            let size = varint_size(value);
            let groups = (0..5).fold(0, |groups, group| {
                groups | (value >> (7 * group) & 0x7f) << (8 * group)
            });
            let more = 0x80_8080_8080 & ((1 << (8 * (size - 1))) - 1);
            *place = (groups | more).to_le_bytes();
            self.at += size;
            return;
        }
        self.varint_alone(value);
    }
    /// Without counting first: almost every message is short, and its length one byte that can be filled in afterwards.
    #[inline(always)]
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
        self.varint_alone(size as u64);
        self.at = end + more;
    }
}

/// As `copy_from_slice`, without a call for the few bytes of a code: two copies that may overlap.
#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
        if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
            to[..N].copy_from_slice(first);
            let at = to.len() - N;
            to[at..].copy_from_slice(last);
        }
    }
    match from.len() {
        0 => {}
        1 => to[0] = from[0],
        2..=3 => ends::<2>(to, from),
        4..=7 => ends::<4>(to, from),
        8..=16 => ends::<8>(to, from),
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn varint_size(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// `millrace.stock.v1.Sku`
struct Sku<'a>(&'a [u8], &'a [u8]);

impl Wire for Sku<'_> {
    #[inline(always)]
    fn write(&self, sink: &mut impl Sink) {
        sink.text(1, self.0);
        sink.text(2, self.1);
    }
}

/// `millrace.values.v1.Decimal`, from parts of a unit.
struct Decimal(i64);

impl Wire for Decimal {
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(always)]
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
            answer.put(&mut Sheet::on(&mut bytes));
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
