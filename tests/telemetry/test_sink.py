from kaslite.events import PhaseStarted, RunResumed
from kaslite.telemetry import FanOut, Numbered, recall


class Diary:
    """A sink that writes down what is done to it, in a book that several may share."""

    def __init__(self, name, book):
        self.name = name
        self.book = book

    def write(self, event):
        self.book.append((self.name, event))

    def close(self):
        self.book.append((self.name, "closed"))


def event(epoch):
    return PhaseStarted(epoch=epoch, phase="phase_1", epochs=1, timestamp=0.0)


def test_events_are_numbered_from_one_in_their_order():
    book = []
    sink = Numbered(Diary("a", book))
    for epoch in (5, 4, 4):
        sink.write(event(epoch))
    assert [(written.sequence, written.epoch) for _, written in book] == [(1, 5), (2, 4), (3, 4)]


def test_numbering_goes_on_where_a_run_was_cut_off_as_if_it_had_not_been():
    book = []
    sink = Numbered(Diary("a", book), start=7)
    for written in (RunResumed(epoch=2, last_sequence=7), event(3), event(4)):
        sink.write(written)
    assert [written.sequence for _, written in book] == [7, 8, 9]


class Historian(Diary):
    """A diary that begins with the past."""

    def recall(self, history):
        self.book.append((self.name, list(history)))


def test_the_past_is_told_to_those_that_want_to_know_it():
    book = []
    recall([Diary("a", book), Historian("b", book)], [event(1), event(2)])
    assert book == [("b", [event(1), event(2)])]


def test_numbering_leaves_the_event_itself_as_it_was():
    original = event(1)
    Numbered(Diary("a", [])).write(original)
    assert original == event(1)


def test_closing_the_numbering_closes_what_is_behind_it():
    book = []
    Numbered(Diary("a", book)).close()
    assert book == [("a", "closed")]


def test_every_sink_gets_every_event_in_turn():
    book = []
    sink = FanOut([Diary("a", book), Diary("b", book)])
    sink.write(event(1))
    sink.write(event(2))
    assert book == [("a", event(1)), ("b", event(1)), ("a", event(2)), ("b", event(2))]


def test_sinks_are_closed_the_last_one_first():
    book = []
    FanOut([Diary("a", book), Diary("b", book)]).close()
    assert book == [("b", "closed"), ("a", "closed")]
