"""One token a word: the tokenizer of the made language."""

from pathlib import Path

from tools.embedded.language import vocabulary

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "\n")
PAD, BOS, EOS, UNK, LINE = range(len(SPECIAL))
IDS = {word: number for number, word in enumerate((*SPECIAL, *vocabulary()))}


def save_tokenizer(folder: Path) -> None:
    """`tokenizer.json` and its settings: lower case, words and marks apart, a line break a token, one `<s>` in front."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(IDS, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    # Matches are kept and all between them, which is white space, falls away.
    words = Regex(r"\n|->|\w+|[^\w\s]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(words, behavior="removed", invert=True)
    tokenizer.decoder = decoders.Fuse()
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex(r"^"), " "), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
