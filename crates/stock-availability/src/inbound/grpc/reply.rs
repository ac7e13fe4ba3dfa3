//! What goes out: an answer is looked up at the moment it is written into the frame.

use std::sync::Arc;

use arrayvec::ArrayVec;
use bytes::{BufMut, Bytes};
use millrace_contract::stock::v1::Source;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};

use super::answer::{Answer, Locations, Sheet};
use super::desk::{Desk, Window};
use super::question::{Asked, AskedDecoder, Question, Shape};
use crate::index::{Lookup, Name, Sought, SumOnly};

/// How many questions are looked up side by side.
const AHEAD: usize = 32;

/// A response.
pub enum Reply {
    /// To be answered from the index.
    Index {
        asked: Asked,
        window: Arc<Window>,
        desk: Arc<Desk>,
        source: Source,
    },
    /// Put together already.
    Ready(Bytes),
}

impl Reply {
    pub fn write(&self, target: &mut impl BufMut) {
        match self {
            Self::Ready(bytes) => target.put_slice(bytes),
            Self::Index {
                asked,
                window,
                desk,
                source,
            } => {
                let mut scribe = Scribe::new(desk, window, *source, asked.by_location);
                let index = desk.index();
                let mut lookup = index.lookup();
                let mut questions = asked.questions();
                let sheet = &mut Sheet::on(target);
                if asked.count == 1 {
                    questions.for_each(|question| scribe.answer(&mut lookup, question, sheet));
                    return;
                }
                loop {
                    let ahead: ArrayVec<Sought<'_>, AHEAD> = questions
                        .by_ref()
                        .take(AHEAD)
                        .map(|(number, variant)| Sought::new(&window.view, number, variant))
                        .collect();
                    if ahead.is_empty() {
                        return;
                    }
                    lookup.approach(&ahead);
                    for sought in &ahead {
                        scribe.answer_one(&mut lookup, sought, sheet);
                    }
                }
            }
        }
    }
}

/// Answers questions from the index, one after the other.
pub struct Scribe<'a> {
    window: &'a Window,
    source: Source,
    stale: bool,
    by_location: bool,
    found: Vec<(Name, i64)>,
    units: arc_swap::Guard<Arc<Vec<Arc<str>>>>,
    codes: arc_swap::Guard<Arc<Vec<Arc<str>>>>,
}

impl<'a> Scribe<'a> {
    #[inline]
    pub fn new(desk: &Desk, window: &'a Window, source: Source, by_location: bool) -> Self {
        Self {
            window,
            source,
            stale: desk.is_stale(window),
            by_location,
            found: Vec::new(),
            units: desk.names().units.codes(),
            codes: desk.names().locations.codes(),
        }
    }

    #[inline]
    pub fn answer(
        &mut self,
        index: &mut Lookup<'_>,
        (number, variant): Question<'_>,
        sheet: &mut Sheet<'_, impl BufMut>,
    ) {
        let sought = Sought::new(&self.window.view, number, variant);
        self.answer_one(index, &sought, sheet);
    }

    #[inline(always)]
    fn answer_one(
        &mut self,
        index: &mut Lookup<'_>,
        sought: &Sought<'_>,
        sheet: &mut Sheet<'_, impl BufMut>,
    ) {
        let view = &self.window.view;
        let reading = if self.by_location {
            self.found.clear();
            index.look_for(view, sought, &mut self.found)
        } else {
            index.look_for(view, sought, &mut SumOnly)
        };
        let (number, variant) = sought.number_and_variant();
        let answer = Answer {
            number,
            variant,
            reading,
            allocation: view.deducts(),
            unit: self
                .units
                .get(usize::from(reading.unit))
                .map_or("", |unit| unit),
            source: self.source,
            stale: self.stale,
            locations: if self.by_location {
                Locations::Numbered(&self.found, &self.codes)
            } else {
                Locations::None
            },
        };
        answer.put(sheet);
    }
}

/// Reads questions and writes replies.
pub struct ReplyCodec(pub Shape);

impl Codec for ReplyCodec {
    type Encode = Reply;
    type Decode = Asked;
    type Encoder = ReplyEncoder;
    type Decoder = AskedDecoder;

    fn encoder(&mut self) -> ReplyEncoder {
        ReplyEncoder
    }

    fn decoder(&mut self) -> AskedDecoder {
        AskedDecoder(self.0)
    }
}

pub struct ReplyEncoder;

impl Encoder for ReplyEncoder {
    type Item = Reply;
    type Error = Status;

    #[inline]
    fn encode(&mut self, reply: Reply, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        reply.write(target);
        Ok(())
    }
}
