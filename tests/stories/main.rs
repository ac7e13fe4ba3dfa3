//! Journeys across services: the real binary in processes of its own, the simulator as the ERP, real clients. A file per
//! sentence.

#![cfg(test)]

mod every_server_answers_alike;
mod neighbours_that_are_away_are_waited_for;
mod nobody_gets_in_without_a_right;
mod orders_survive_everything;
mod raw;
mod refarch;
mod refarch_reaches_the_shop;
mod shop;
mod the_tour_holds;
mod world;
mod wrong_settings_end_in_one_line;
