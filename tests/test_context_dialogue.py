"""Dialogues of many shapes: every turn has its speaker and its absolute date, sessions and days are sections."""

import json
from pathlib import Path

import pytest

from inweights.sources import dialogue, read_sources
from inweights.sources.dialogue.dates import absolute
from inweights.types import UserError

LOCOMO = Path(__file__).parents[2] / "shared" / "data" / "long" / "locomo" / "dialogues_3.jsonl"
ANN_AND_BO = ["Ann (8 May 2023, 13:56): Hi!", "Bo (8 May 2023, 13:58): Hello, I came back yesterday."]


def lines(tmp_path: Path, value: object, name: str = "chat.json") -> list[str]:
    """All turns of all sections."""
    (tmp_path / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return [line for each in dialogue.read(tmp_path / name, name).sections for line in each.text.split("\n")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("1:56 pm on 8 May, 2023", "8 May 2023, 13:56"),
        ("12:05 a.m. on 1st of February 2024", "1 February 2024, 00:05"),
        ("2023-05-08T13:56:07.123Z", "8 May 2023, 13:56"),
        ("2023/5/8", "8 May 2023"),
        ("May 8th, 2023", "8 May 2023"),
        (1683554160, "8 May 2023, 13:56"),
        (1683554160000, "8 May 2023, 13:56"),
        ("1683554160.000200", "8 May 2023, 13:56"),
        ("03/04/2023", "03/04/2023"),
        ("2023-02-31", "2023-02-31"),
        ("last summer", "last summer"),
        (None, ""),
    ],
)
def test_dates_are_written_in_one_way_and_what_is_unclear_stays(given, said):
    assert absolute(given) == said


TURNS = [
    {"speaker": "Ann", "text": "Hi!", "date": "2023-05-08 13:56"},
    {"speaker": "Bo", "text": "Hello, I came back yesterday.", "date": "2023-05-08 13:58"},
]


@pytest.mark.parametrize(
    "value",
    [
        TURNS,
        [{"role": t["speaker"], "content": t["text"], "timestamp": t["date"]} for t in TURNS],
        [{"author": {"name": t["speaker"]}, "message": t["text"], "created_at": t["date"]} for t in TURNS],
        [{"name": t["speaker"], "content": [{"type": "text", "text": t["text"]}], "time": t["date"]} for t in TURNS],
        {"title": "Talk", "messages": TURNS},
        {"sessions": [{"date_time": "1:56 pm on 8 May, 2023", "turns": TURNS}]},
        {"conversation": {"session_1": TURNS, "session_1_date_time": "8 May, 2023"}},
        "\n".join(json.dumps(turn) for turn in TURNS),
    ],
    ids=["speaker", "role", "author", "parts", "messages", "sessions", "numbered", "lines"],
)
def test_json_is_read_whatever_its_keys_are_called(value, tmp_path):
    assert lines(tmp_path, value) == ANN_AND_BO


def test_a_session_is_a_section_and_dates_its_turns(tmp_path):
    hello = [{"speaker": "Ann", "text": "Hi!"}, {"speaker": "Bo", "text": "Hi."}]
    shown = [{"speaker": "Ann", "text": "So?", "blip_caption": "a photo of a cat"}]
    sessions = [
        {"date_time": "1:56 pm on 8 May, 2023", "turns": hello},
        {"date_time": "10:37 am on 27 June, 2023", "turns": shown},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"speaker_a": "Ann", "speaker_b": "Bo", "sessions": sessions}))
    first, second = dialogue.read(tmp_path / "a.json", "a.json").sections
    assert (first.title, first.where) == ("Ann and Bo", "turns 1-2")
    assert (first.speaker, first.date) == ("Ann, Bo", "8 May 2023, 13:56")
    assert (second.where, second.text) == ("turn 3", "Ann (27 June 2023, 10:37): So? [shares a photo of a cat]")


def test_several_dialogues_in_one_file_are_told_apart(tmp_path):
    chats = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}] * 2
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, chats)))
    found = dialogue.read(tmp_path / "a.jsonl", "a.jsonl").sections
    assert [(each.path, each.where) for each in found] == [
        (("dialogue 1",), "dialogue 1, turns 1-2"),
        (("dialogue 2",), "dialogue 2, turns 1-2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[2023-05-08 13:56] Ann: Hi!\n[2023-05-08 13:58] Bo: Hello, I came\nback yesterday.",
        "=== 8 May 2023 ===\n13:56 Ann: Hi!\n\n13:58 Bo: Hello, I came\n  back yesterday.",
        "2023-05-08\n**Ann** (13:56): Hi!\n**Bo** (13:58): Hello, I came\nback yesterday.",
        "2023-05-08, 13:56 - Ann: Hi!\n2023-05-08, 13:58 - Bo: Hello, I came\nback yesterday.",
    ],
    ids=["brackets", "date lines", "bold", "phone"],
)
def test_transcripts_are_read_with_their_stamps_and_lines_that_go_on(text, tmp_path):
    assert lines(tmp_path, text, "a.txt") == [ANN_AND_BO[0], "Bo (8 May 2023, 13:58): Hello, I came", "back yesterday."]


def test_days_of_a_transcript_are_sections(tmp_path):
    text = "Planning\n\n2023-05-08\nAnn: Hi!\nBo: Hello.\n2023-05-09\nAnn: Again?\nBo: Again: https://a.b\n"
    (tmp_path / "a.txt").write_text(text)
    found = read_sources([tmp_path / "a.txt"]).sections
    assert [(each.title, each.where, each.date) for each in found] == [
        ("Planning", "turns 1-2", "8 May 2023"),
        ("Planning", "turns 3-4", "9 May 2023"),
    ]
    assert found[1].text.endswith("Bo (9 May 2023): Again: https://a.b")


def test_a_chat_export_follows_the_path_that_was_seen_last(tmp_path):
    def node(parent: str | None, role: str, *parts: object) -> dict[str, object]:
        content = {"content_type": "text", "parts": parts}
        return {"parent": parent, "message": {"author": {"role": role}, "content": content, "create_time": 1683554160.5}}

    mapping = {
        "root": {"parent": None, "message": None},
        "system": node("root", "system", "You are helpful."),
        "a": node("system", "user", "Hi!", {"content_type": "image_asset_pointer"}),
        "dropped": node("a", "assistant", "First try."),
        "kept": node("a", "assistant", "Second try."),
    }
    found = lines(tmp_path, [{"title": "Greeting", "mapping": mapping, "current_node": "kept"}], "conversations.json")
    assert found == [
        "user (8 May 2023, 13:56): Hi!",
        "[shares a picture]",
        "assistant (8 May 2023, 13:56): Second try.",
    ]


def test_a_chat_export_whose_parents_go_in_circles_ends(tmp_path):
    message = {"author": {"role": "user"}, "content": {"parts": ["Hi!"]}}
    mapping = {"a": {"parent": "b", "message": message}, "b": {"parent": "a", "message": message}}
    assert lines(tmp_path, [{"title": "", "mapping": mapping, "current_node": "a"}]) == ["user: Hi!", "user: Hi!"]


def slack(folder: Path) -> Path:
    users = [{"id": "U1", "profile": {"display_name": "ann"}}, {"id": "U2", "profile": {"real_name": "Bo B."}}]
    days = {
        "2023-05-08": [
            {
                "type": "message",
                "user": "U1",
                "text": "Hi <@U2>, see <https://a.b|this> &amp; that",
                "ts": "1683554160.0001",
            },
            {"type": "message", "user": "U1", "text": "Other topic", "ts": "1683554200.0001"},
            {"user": "U2", "text": "Thanks!", "ts": "1683554280.0001", "thread_ts": "1683554160.0001"},
            {"type": "message", "subtype": "channel_join", "user": "U2", "text": "joined", "ts": "1683554150.0001"},
        ],
        "2023-05-10": [],
        "2023-05-09": [{"type": "message", "user": "U9", "text": "Late", "ts": "1683640560.0001"}],
    }
    (folder / "general").mkdir(parents=True)
    (folder / "users.json").write_text(json.dumps(users))
    for day, messages in days.items():
        (folder / "general" / f"{day}.json").write_text(json.dumps(messages))
    return folder


def test_a_slack_export_has_names_days_and_replies_behind_what_they_reply_to(tmp_path):
    export = read_sources([slack(tmp_path / "export")])
    assert [each.source for each in export.skipped] == ["general/2023-05-10.json"]
    found = export.sections
    assert [(each.title, each.source, each.where) for each in found] == [
        ("#general", "general/2023-05-08.json", "turns 1-3"),
        ("#general", "general/2023-05-09.json", "turn 1"),
    ]
    assert found[0].text.split("\n") == [
        "ann (8 May 2023, 13:56): Hi @Bo B., see this & that",
        "Bo B. (8 May 2023, 13:58, in reply to ann): Thanks!",
        "ann (8 May 2023, 13:56): Other topic",
    ]
    assert found[1].text == "U9 (9 May 2023, 13:56): Late"


def test_one_channel_or_one_day_of_slack_has_names_too(tmp_path):
    folder = slack(tmp_path / "export") / "general"
    for path in (folder, folder / "2023-05-08.json"):
        assert read_sources([path]).sections[0].text.startswith("ann (8 May 2023, 13:56): Hi @Bo B.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a.json is empty, so it is a dialogue without a turn"),
        ("[]", r"a.json is a dialogue in which every turn is empty"),
        ('[{"speaker": "Ann", "text": " "}]', r"a.json is a dialogue in which every turn is empty"),
        ('{"sessions": []}', r"a.json is JSON, and not a dialogue of a known shape: expected a list of"),
        ('{"a": 1}', r"a.json is JSON, and not a dialogue of a known shape: expected a list of"),
        ('[{"speaker": "Ann", "text": "a"}, 3]', r"a.json is JSON, and not a dialogue of a known shape"),
        ('[{"speaker": "Ann", "text": "a"}', r"a.json is not JSON \(line 1: Expecting"),
        ('{"speaker": "A", "text": "a"}\n{"speaker"}\n', r"a.json is not JSON \(line 2: Expecting"),
        ("[" * 100_000, r"a.json is JSON that is nested too deeply"),
    ],
    ids=["empty", "no turns", "no text", "no sessions", "object", "odd", "cut", "lines", "deep"],
)
def test_what_is_no_dialogue_is_one_clear_line(text, message, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_sources([tmp_path / "a.json"], kind="dialogue")
    assert "\n" not in str(error.value)


def test_text_without_a_turn_is_no_dialogue_where_one_is_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text("Once upon a time.\n")
    with pytest.raises(UserError, match=r"a.txt is a dialogue in which every turn is empty: .* or lines `Name: text`"):
        read_sources([tmp_path / "a.txt"], kind="dialogue")


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time there was: a cat.\nIt sat.\n",
        "INFO: started\nERROR: failed\nINFO: started\nERROR: failed\n",
        "name: a\nversion: b\nname: c\nversion: d\n",
        "Q: a?\nA: b\n\nQ: c?\nA: d\n",
    ],
    ids=["story", "log", "settings", "prompt"],
)
def test_other_text_with_colons_is_no_dialogue(text, tmp_path):
    (tmp_path / "a.txt").write_text(text)
    assert read_sources([tmp_path / "a.txt"]).sections[0].where.startswith("line")


@pytest.mark.skipif(not LOCOMO.exists(), reason="no ../shared/data/long/locomo: needs published dialogues")
def test_published_dialogues_keep_every_turn():
    found = read_sources([LOCOMO]).sections
    published = [json.loads(line) for line in LOCOMO.read_text(encoding="utf-8").splitlines()]
    turns = [turn for each in published for session in each["sessions"] for turn in session["turns"]]
    assert sum(len(each.text.split("\n")) for each in found) == len(turns)
    assert len(found) == sum(len(each["sessions"]) for each in published)
    assert found[0].title == "Caroline and Melanie"
    assert found[0].text.startswith("Caroline (8 May 2023, 13:56): Hey Mel! Good to see you!")
