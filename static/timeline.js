// Where this page stands in the room's history: decides what is new, what is known and what was missed.

export class Timeline {
  epoch = null;
  offset = 0;
  #suspended = false;

  // Messages were left out: nothing is taken until they have come again, by `join`, with all that followed. False if
  // that is under way already.
  suspend() {
    if (this.#suspended) return false;
    this.#suspended = true;
    return true;
  }

  // Answers what a `joined` frame adds, and whether it starts the history anew.
  join({ epoch, offset, history }) {
    const restarted = epoch !== this.epoch;
    const known = restarted ? 0 : this.offset;
    const added = history.filter((message) => message.offset > known);
    const oldest = added[0]?.offset ?? offset + 1;
    this.epoch = epoch;
    this.offset = offset;
    this.#suspended = false;
    return { restarted, added, missed: restarted ? 0 : oldest - known - 1 };
  }

  // False for a message that is known already, or will come again.
  accept({ offset }) {
    if (this.#suspended || offset <= this.offset) return false;
    this.offset = offset;
    return true;
  }

  get position() {
    return this.epoch === null ? {} : { since: this.offset, epoch: this.epoch };
  }
}
