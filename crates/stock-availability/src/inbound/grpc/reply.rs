//! What goes out: an answer is looked up at the moment it is written into the frame.

use std::sync::Arc;

use arrayvec::ArrayVec;
use bytes::{BufMut, Bytes};
use millrace_contract::stock::v1::Source;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};

use super::answer::{Answer, Locations};
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
                if asked.count == 1 {
                    questions.for_each(|question| scribe.answer(&mut lookup, question, target));
                    return;
                }
                loop {
                    let ahead: ArrayVec<Question<'_>, AHEAD> =
                        questions.by_ref().take(AHEAD).collect();
                    if ahead.is_empty() {
                        return;
                    }
                    scribe.answer_all(&mut lookup, &ahead, target);
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
        question: Question<'_>,
        target: &mut impl BufMut,
    ) {
        let (number, variant) = question;
        let sought = Sought::new(&self.window.view, number, variant);
        self.answer_one(index, question, &sought, target);
    }

    /// Several, up to [`AHEAD`].
    pub fn answer_all(
        &mut self,
        index: &mut Lookup<'_>,
        questions: &[Question<'_>],
        target: &mut impl BufMut,
    ) {
        let view = &self.window.view;
        let sought: ArrayVec<Sought<'_>, AHEAD> = questions
            .iter()
            .map(|(number, variant)| Sought::new(view, number, variant))
            .collect();
        index.approach(&sought);
        for (question, sought) in questions.iter().zip(&sought) {
            self.answer_one(index, *question, sought, target);
        }
    }

    #[inline]
    fn answer_one(
        &mut self,
        index: &mut Lookup<'_>,
        (number, variant): Question<'_>,
        sought: &Sought<'_>,
        target: &mut impl BufMut,
    ) {
        let view = &self.window.view;
        let reading = if self.by_location {
            self.found.clear();
            index.look_for(view, sought, &mut self.found)
        } else {
            index.look_for(view, sought, &mut SumOnly)
        };
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
        answer.put(target);
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
