"""What is known of a document without having it."""

from vaultferry.core.document import Document

KEY, OTHER = b"k" * 32, b"o" * 32


def test_documents_that_say_the_same_have_one_digest() -> None:
    one = Document({"A": b"1", "B": b"2"}, "tag", {"A": "x/A"})
    other = Document({"B": b"2", "A": b"1"}, "another", {"A": "x/A"})

    assert one.digest(KEY) == other.digest(KEY)


def test_what_a_secret_can_take_is_in_the_digest_and_so_is_the_key() -> None:
    documents = [
        Document({}),
        Document({"A": b"1"}),
        Document({"A": b"12"}),
        Document({"A1": b"2"}),
        Document({"A": b"1"}, origins={"A": "x/A"}),
        Document({"A": b"1", "B": b""}),
    ]

    digests = {each.digest(key) for each in documents for key in (KEY, OTHER)}
    assert len(digests) == 2 * len(documents)


def test_a_documents_size_is_that_of_its_texts_and_some_more() -> None:
    document = Document({"A": bytes(1000)}, origins={"A": "x" * 99})

    assert 1101 < document.size < 2000
    assert 0 < Document({}).size < 1000
