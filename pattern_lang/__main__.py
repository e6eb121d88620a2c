"""`python -m pattern_lang` is `pat`."""

from pattern_lang.cli import main

if __name__ == "__main__":
    main()
