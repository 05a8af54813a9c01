// sources: fs/tty_line.c lib/string.c lib/format.c
/* SPDX-License-Identifier: MIT */

/* The line discipline: what a typist sees and what a program reads. */

#include <string.h>

#include "tap.h"
#include "fs/tty_line.h"
#include "lib/abi/signal.h"

static char screen_text[16384];
static size_t screen_len;

static void screen_put(struct sink *sink, const char *bytes, size_t len)
{
	memcpy(screen_text + screen_len, bytes, len);
	screen_len += len;
	screen_text[screen_len] = '\0';
}

static struct sink screen = { screen_put };
static struct tty_line line;

static void start(void)
{
	screen_len = 0;
	screen_text[0] = '\0';
	line_init(&line, &screen);
}

static int type(const char *keys)
{
	int signal = 0;

	for (; *keys; keys++)
		signal = line_input(&line, (uint8_t)*keys);
	return signal;
}

static bool screen_shows(const char *text)
{
	bool is_equal = strcmp(screen_text, text) == 0;

	screen_len = 0;
	screen_text[0] = '\0';
	return is_equal;
}

/* Read at most len bytes; is it this text, and did the line end? */
static bool reads(size_t len, const char *text, bool should_end)
{
	uint8_t bytes[LINE_BYTES];
	bool is_end;
	size_t n = line_take(&line, bytes, len, &is_end);

	return n == strlen(text) && memcmp(bytes, text, n) == 0 && is_end == should_end;
}

static void set_flags(uint32_t input, uint32_t output, uint32_t local)
{
	struct abi_termios termios = line.termios;

	termios.c_iflag = input;
	termios.c_oflag = output;
	termios.c_lflag = local;
	line_set_termios(&line, &termios);
}

TEST(a_line_is_read_when_it_is_whole)
{
	start();
	type("hello");
	EXPECT(line_readable(&line) == 0);
	type("\r");
	EXPECT(line_readable(&line) == 6);
	EXPECT(screen_shows("hello\r\n"));
	EXPECT(reads(100, "hello\n", true));
	EXPECT(line_readable(&line) == 0);
}

TEST(a_read_takes_one_line)
{
	start();
	type("one\ntwo\n");
	EXPECT(reads(2, "on", false));
	EXPECT(reads(100, "e\n", true));
	EXPECT(reads(100, "two\n", true));
}

TEST(erase_takes_one_character_off_the_screen)
{
	start();
	type("ab\x7f" "c\n");
	EXPECT(screen_shows("ab\b \bc\r\n"));
	EXPECT(reads(100, "ac\n", true));
	type("\x7f\x7f\n");
	EXPECT(screen_shows("\r\n"));
}

TEST(a_control_character_takes_two_columns)
{
	start();
	type("\x01\x7f");
	EXPECT(screen_shows("^A\b \b\b \b"));
}

TEST(erasing_a_tab_goes_back_to_where_it_began)
{
	start();
	line_output(&line, "> ", 2);
	type("a\t");
	EXPECT(screen_shows("> a\t"));
	type("\x7f");
	EXPECT(screen_shows("\b\b\b\b\b"));
	EXPECT(line.column == 3);
}

TEST(erase_takes_a_whole_utf8_character)
{
	start();
	set_flags(ICRNL | IUTF8, OPOST | ONLCR, line.termios.c_lflag);
	type("a\xc3\xa4\x7f\n");
	EXPECT(screen_shows("a\xc3\xa4\b \b\r\n"));
	EXPECT(reads(100, "a\n", true));
}

TEST(word_erase_takes_the_word_and_what_follows_it)
{
	start();
	type("one two  \x17");
	type("\n");
	EXPECT(reads(100, "one \n", true));
}

TEST(kill_empties_the_line)
{
	start();
	type("abc\x15");
	EXPECT(screen_shows("abc\b \b\b \b\b \b"));
	type("x\n");
	EXPECT(reads(100, "x\n", true));
}

TEST(reprint_shows_the_line_again)
{
	start();
	type("abc\x12");
	EXPECT(screen_shows("abc^R\r\nabc"));
}

TEST(literal_next_takes_the_meaning_away)
{
	start();
	type("\x16\x03\n");
	EXPECT(screen_shows("^\b^C\r\n"));
	EXPECT(reads(100, "\x03\n", true));
}

TEST(end_of_file_ends_a_line_without_a_byte)
{
	start();
	type("abc\x04");
	EXPECT(screen_shows("abc"));
	EXPECT(reads(100, "abc", true));
	type("\x04");
	EXPECT(line_readable(&line) == 1);
	EXPECT(reads(100, "", true));
	EXPECT(line_readable(&line) == 0);
}

TEST(end_of_file_after_a_full_buffer_is_not_read_twice)
{
	start();
	type("abc\x04");
	EXPECT(reads(3, "abc", true));
	EXPECT(line_readable(&line) == 0);
}

TEST(signal_characters_are_signals_and_flush)
{
	start();
	type("abc");
	EXPECT(type("\x03") == SIGINT);
	EXPECT(screen_shows("abc^C"));
	type("x\n");
	EXPECT(reads(100, "x\n", true));
	EXPECT(type("\x1a") == SIGTSTP);
	EXPECT(type("\x1c") == SIGQUIT);
}

TEST(noflsh_keeps_what_was_typed)
{
	start();
	set_flags(ICRNL, OPOST, ISIG | ICANON | NOFLSH);
	type("abc\x03\n");
	EXPECT(reads(100, "abc\n", true));
}

TEST(without_isig_they_are_bytes)
{
	start();
	set_flags(ICRNL, OPOST, ICANON);
	EXPECT(type("\x03\n") == 0);
	EXPECT(reads(100, "\x03\n", true));
}

TEST(raw_mode_gives_every_byte_at_once)
{
	start();
	set_flags(0, 0, 0);
	type("a\r\x7f\x04");
	EXPECT(line_readable(&line) == 4);
	EXPECT(reads(100, "a\r\x7f\x04", false));
	EXPECT(screen_shows(""));
}

TEST(a_change_of_mode_keeps_what_was_typed)
{
	start();
	type("abc");
	set_flags(0, 0, 0);
	EXPECT(line_readable(&line) == 3);
	set_flags(0, 0, ICANON);
	EXPECT(reads(100, "abc", true));
}

TEST(stop_and_start_hold_output)
{
	start();
	type("\x13");
	EXPECT(line.is_stopped);
	type("\x11");
	EXPECT(!line.is_stopped);
	EXPECT(screen_shows(""));
}

TEST(echo_is_held_while_output_is_stopped)
{
	start();
	type("a\x13" "bc");
	EXPECT(screen_shows("a"));
	type("\x7f" "d\n");
	EXPECT(screen_shows(""));
	EXPECT(reads(100, "abd\n", true));
	type("\x11");
	EXPECT(screen_shows("bc\b \bd\r\n"));
	type("e");
	EXPECT(screen_shows("e"));
}

TEST(echo_that_nobody_could_see_is_bounded)
{
	start();
	set_flags(IXON, 0, ECHO);
	type("\x13");
	for (int i = 0; i < LINE_HELD_BYTES + 100; i++)
		line_input(&line, 'x');
	EXPECT(line.held_len == LINE_HELD_BYTES && line.head - line.tail == LINE_HELD_BYTES + 100);
	type("\x11y");
	EXPECT(line.held_len == 0);
}

TEST(a_signal_starts_output_and_forgets_what_was_held)
{
	start();
	type("\x13" "abc\x03");
	EXPECT(!line.is_stopped);
	EXPECT(screen_shows("^C"));
}

TEST(without_flow_control_nothing_stays_held)
{
	struct abi_termios termios;

	start();
	type("\x13" "abc");
	termios = line.termios;
	termios.c_iflag &= ~(uint32_t)IXON;
	line_set_termios(&line, &termios);
	EXPECT(screen_shows("abc"));
}

TEST(newline_translations)
{
	start();
	set_flags(IGNCR, OPOST, ICANON);
	type("a\rb\n");
	EXPECT(reads(100, "ab\n", true));
	set_flags(INLCR, OPOST, 0);
	type("\n");
	EXPECT(reads(100, "\r", false));
}

TEST(echo_can_be_off_but_for_newlines)
{
	start();
	set_flags(ICRNL, OPOST | ONLCR, ICANON | ECHONL);
	type("secret\r");
	EXPECT(screen_shows("\r\n"));
}

TEST(output_processing_is_optional)
{
	start();
	line_output(&line, "a\nb", 3);
	EXPECT(screen_shows("a\r\nb"));
	set_flags(0, 0, 0);
	line_output(&line, "a\nb", 3);
	EXPECT(screen_shows("a\nb"));
	set_flags(0, OPOST | XTABS, 0);
	line.column = 0;
	line_output(&line, "a\tb", 3);
	EXPECT(screen_shows("a       b"));
}

TEST(a_full_line_still_takes_its_end)
{
	start();
	for (int i = 0; i < LINE_BYTES + 100; i++)
		line_input(&line, 'x');
	EXPECT(line.head - line.tail == LINE_BYTES - 1);
	type("\n");
	EXPECT(line_readable(&line) == LINE_BYTES);
	line_input(&line, 'y');
	EXPECT(line_readable(&line) == LINE_BYTES);
}

TEST(positions_may_wrap)
{
	start();
	line.tail = line.whole = line.head = UINT32_MAX - 2;
	type("wrapped\n");
	EXPECT(reads(100, "wrapped\n", true));
}
