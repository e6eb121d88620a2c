"""All that the compiler uses of Hugging Face: tokenizers, data sets, causal language models."""
