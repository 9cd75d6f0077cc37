//! Who is in which room, and who speaks there.

/// The rooms of a run. Clients take them in turn, and so do those that speak: the `n`th of all is in room `n` modulo
/// the number of rooms, at the place of `n` divided by it.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The clients that speak.
    senders: Vec<usize>,
    /// Members that are to hear what is said in each.
    hearers: Vec<u64>,
}

impl Rooms {
    /// As many rooms as there are numbers of `hearers`. Of the first `members` clients, who are at least as many, so
    /// many speak in each room, spread over it.
    pub fn new(members: usize, senders: usize, hearers: Vec<u64>) -> Rooms {
        let rooms = hearers.len();
        let members_each = members / rooms;
        let senders_each = senders.min(members_each);
        let place_of = |sender: usize| sender / rooms * members_each / senders_each;
        let senders = (0..rooms * senders_each).map(|sender| place_of(sender) * rooms + sender % rooms);
        Rooms { senders: senders.collect(), hearers }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.hearers.len()
    }

    /// Where a client or sender is.
    pub fn room(&self, number: usize) -> usize {
        number % self.count()
    }

    /// The clients that speak, one room after the other.
    pub fn senders(&self) -> &[usize] {
        &self.senders
    }

    /// How many speak in each room.
    pub fn senders_each(&self) -> usize {
        self.senders.len() / self.count()
    }

    /// A sender's place among those of its room.
    pub fn place(&self, sender: usize) -> usize {
        sender / self.count()
    }

    /// How many are to hear what a sender says.
    pub fn hearers(&self, sender: usize) -> u64 {
        self.hearers[self.room(sender)]
    }

    /// How many are to hear something.
    pub fn all_hearers(&self) -> u64 {
        self.hearers.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_speak_are_spread_over_each_room() {
        for (members, senders, rooms, expected) in [
            (100, 4, 1, &[0, 25, 50, 75][..]),
            (3, 10, 1, &[0, 1, 2]),
            (12, 2, 3, &[0, 1, 2, 6, 7, 8]),
            (14, 1, 4, &[0, 1, 2, 3]),
            (5, 7, 5, &[0, 1, 2, 3, 4]),
        ] {
            let rooms = Rooms::new(members, senders, vec![0; rooms]);
            assert_eq!(rooms.senders(), expected);
            for (number, client) in expected.iter().enumerate() {
                assert_eq!(rooms.room(number), rooms.room(*client));
                assert!(rooms.place(number) < rooms.senders_each());
            }
        }
    }

    #[test]
    fn who_speaks_is_heard_by_those_in_the_room() {
        let rooms = Rooms::new(12, 2, vec![5, 4, 3]);
        let heard: Vec<u64> = (0..6).map(|sender| rooms.hearers(sender)).collect();
        assert_eq!(heard, [5, 4, 3, 5, 4, 3]);
        assert_eq!(rooms.all_hearers(), 12);
    }
}
