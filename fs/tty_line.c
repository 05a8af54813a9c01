/* SPDX-License-Identifier: MIT */
/*
 * fs/tty_line.c - what a terminal does with bytes: lines, editing, echo.
 *
 * Invariants: tail <= whole <= head <= tail + LINE_BYTES.  Outside canonical mode `whole` is not
 *   used.  One place of the buffer is kept for the byte that ends a line.
 * Locks: the owner's.
 * See: termios(3), stty(1).
 */

#include "fs/tty_line.h"
#include "lib/abi/signal.h"
#include "lib/string.h"

enum { BELL = '\a', DELETE = 0x7f, TAB_WIDTH = 8 };

static const struct abi_termios fresh_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc =
		{
			[VINTR] = 'C' ^ 0x40,
			[VQUIT] = '\\' ^ 0x40,
			[VERASE] = DELETE,
			[VKILL] = 'U' ^ 0x40,
			[VEOF] = 'D' ^ 0x40,
			[VTIME] = 0,
			[VMIN] = 1,
			[VSTART] = 'Q' ^ 0x40,
			[VSTOP] = 'S' ^ 0x40,
			[VSUSP] = 'Z' ^ 0x40,
			[VREPRINT] = 'R' ^ 0x40,
			[VDISCARD] = 'O' ^ 0x40,
			[VWERASE] = 'W' ^ 0x40,
			[VLNEXT] = 'V' ^ 0x40,
		},
};

static bool line_has(const struct tty_line *line, uint32_t local_flag)
{
	return line->termios.c_lflag & local_flag;
}

static bool line_takes(const struct tty_line *line, uint32_t input_flag)
{
	return line->termios.c_iflag & input_flag;
}

/* Is the byte the control character number `which`? */
static bool line_is_char(const struct tty_line *line, int which, uint8_t byte)
{
	return byte != VDISABLE && byte == line->termios.c_cc[which];
}

bool line_is_canonical(const struct tty_line *line)
{
	return line_has(line, ICANON);
}

static bool is_control(uint8_t byte)
{
	return byte < ' ' || byte == DELETE;
}

/* Not the first byte of a UTF-8 character. */
static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

static bool is_word(uint8_t byte)
{
	uint8_t lower = byte | 0x20;

	return (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z') || byte == '_' ||
	       byte >= 0x80;
}

void line_init(struct tty_line *line, struct sink *screen)
{
	memset(line, 0, sizeof(*line));
	line->termios = fresh_termios;
	line->screen = screen;
}

/* ---- the buffer ---- */

static uint8_t *line_byte(struct tty_line *line, uint32_t position)
{
	return &line->bytes[position % LINE_BYTES];
}

static bool line_ends_at(const struct tty_line *line, uint32_t position)
{
	uint32_t i = position % LINE_BYTES;

	return line->ends[i / 64] >> i % 64 & 1;
}

static void line_mark_end(struct tty_line *line, uint32_t position, bool is_end)
{
	uint32_t i = position % LINE_BYTES;
	uint64_t bit = 1ull << i % 64;

	if (is_end)
		line->ends[i / 64] |= bit;
	else
		line->ends[i / 64] &= ~bit;
}

/* False: there is no room. */
static bool line_append(struct tty_line *line, uint8_t byte, bool is_end)
{
	uint32_t room = LINE_BYTES - (line->head - line->tail);

	if (room <= (is_end ? 0 : 1))
		return false;
	*line_byte(line, line->head) = byte;
	line_mark_end(line, line->head, is_end);
	line->head++;
	if (is_end)
		line->whole = line->head;
	return true;
}

uint32_t line_readable(const struct tty_line *line)
{
	return (line_is_canonical(line) ? line->whole : line->head) - line->tail;
}

/* Is the next thing to read an end of file? */
static bool line_at_eof(struct tty_line *line)
{
	return line_readable(line) > 0 && line_ends_at(line, line->tail) &&
	       *line_byte(line, line->tail) == VDISABLE;
}

size_t line_take(struct tty_line *line, uint8_t *to, size_t len, bool *is_end)
{
	bool is_canonical = line_is_canonical(line);
	size_t done = 0;

	*is_end = false;
	while (done < len && line_readable(line) > 0 && !*is_end) {
		if (is_canonical && line_at_eof(line))
			break;
		*is_end = is_canonical && line_ends_at(line, line->tail);
		to[done++] = *line_byte(line, line->tail++);
	}
	if (is_canonical && !*is_end && line_at_eof(line)) {
		line->tail++;
		*is_end = true;
	}
	return done;
}

void line_flush_input(struct tty_line *line)
{
	line->tail = line->whole = line->head;
	line->is_literal = false;
}

/* Bytes that came in under the old mode stay readable under the new one. */
void line_set_termios(struct tty_line *line, const struct abi_termios *termios)
{
	bool was_canonical = line_is_canonical(line);

	line->termios = *termios;
	line->is_literal = false;
	if (!line_takes(line, IXON))
		line_set_stopped(line, false);
	if (was_canonical == line_is_canonical(line))
		return;
	memset(line->ends, 0, sizeof(line->ends));
	if (line->head != line->tail)
		line_mark_end(line, line->head - 1, true);
	line->whole = line->head;
}

/* ---- output ---- */

static void out_hold(struct tty_line *line)
{
	uint32_t len = MIN(line->out_len, LINE_HELD_BYTES - line->held_len);

	memcpy(&line->held[line->held_len], line->out, len);
	line->held_len += len;
}

static void out_flush(struct tty_line *line)
{
	if (line->is_stopped)
		out_hold(line);
	else if (line->out_len > 0)
		line->screen->put(line->screen, line->out, line->out_len);
	line->out_len = 0;
}

void line_set_stopped(struct tty_line *line, bool is_stopped)
{
	line->is_stopped = is_stopped;
	if (is_stopped || !line->held_len)
		return;
	line->screen->put(line->screen, line->held, line->held_len);
	line->held_len = 0;
}

static void out_put(struct tty_line *line, uint8_t byte)
{
	if (line->out_len == LINE_OUT_BYTES)
		out_flush(line);
	line->out[line->out_len++] = (char)byte;
}

static void out_tab(struct tty_line *line)
{
	uint32_t width = TAB_WIDTH - line->column % TAB_WIDTH;

	line->column += width;
	if ((line->termios.c_oflag & TABDLY) != XTABS) {
		out_put(line, '\t');
		return;
	}
	while (width-- > 0)
		out_put(line, ' ');
}

static void out_newline(struct tty_line *line)
{
	if (line->termios.c_oflag & ONLCR)
		out_put(line, '\r');
	if (line->termios.c_oflag & (ONLCR | ONLRET))
		line->column = 0;
	out_put(line, '\n');
}

static void out_return(struct tty_line *line)
{
	if (line->termios.c_oflag & ONOCR && line->column == 0)
		return;
	if (line->termios.c_oflag & OCRNL) {
		out_newline(line);
		return;
	}
	line->column = 0;
	out_put(line, '\r');
}

/* Output processing of one byte. */
static void out_byte(struct tty_line *line, uint8_t byte)
{
	if (!(line->termios.c_oflag & OPOST)) {
		out_put(line, byte);
		return;
	}
	switch (byte) {
	case '\n':
		out_newline(line);
		return;
	case '\r':
		out_return(line);
		return;
	case '\t':
		out_tab(line);
		return;
	case '\b':
		line->column -= line->column > 0;
		break;
	default:
		line->column += !is_control(byte) && !is_continuation(byte);
		break;
	}
	out_put(line, byte);
}

void line_output(struct tty_line *line, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out_byte(line, (uint8_t)bytes[i]);
	out_flush(line);
}

/* ---- echo ---- */

static bool echoes_as_caret(const struct tty_line *line, uint8_t byte)
{
	return line_has(line, ECHOCTL) && is_control(byte) && byte != '\t' && byte != '\n';
}

static void echo_always(struct tty_line *line, uint8_t byte)
{
	if (!echoes_as_caret(line, byte)) {
		out_byte(line, byte);
		return;
	}
	out_byte(line, '^');
	out_byte(line, byte ^ 0x40);
}

static void echo(struct tty_line *line, uint8_t byte)
{
	if (line->head == line->whole)
		line->edit_column = line->column;
	if (line_has(line, ECHO))
		echo_always(line, byte);
	else if (byte == '\n' && line_has(line, ECHONL) && line_is_canonical(line))
		out_byte(line, byte);
}

/* How many columns a byte of the edited line takes when it stands in `column`. */
static uint32_t echo_width(const struct tty_line *line, uint8_t byte, uint32_t column)
{
	if (byte == '\t')
		return TAB_WIDTH - column % TAB_WIDTH;
	if (echoes_as_caret(line, byte))
		return 2;
	return is_control(byte) || is_continuation(byte) ? 0 : 1;
}

/* The width of the byte at `head`, which was just removed. */
static uint32_t echo_width_at_head(struct tty_line *line)
{
	uint32_t column = line->edit_column;

	for (uint32_t at = line->whole; at != line->head; at++)
		column += echo_width(line, *line_byte(line, at), column);
	return echo_width(line, *line_byte(line, line->head), column);
}

/* ---- editing ---- */

/* Remove the last character of the edited line; its bytes, if it has several. */
static void edit_remove(struct tty_line *line)
{
	do {
		line->head--;
	} while (line_takes(line, IUTF8) && is_continuation(*line_byte(line, line->head)) &&
		 line->head != line->whole);
}

/* Take the removed character off the screen. */
static void edit_unecho(struct tty_line *line)
{
	uint32_t width = line_has(line, ECHO) ? echo_width_at_head(line) : 0;
	bool is_tab = *line_byte(line, line->head) == '\t';

	while (width-- > 0) {
		out_byte(line, '\b');
		if (!is_tab) {
			out_byte(line, ' ');
			out_byte(line, '\b');
		}
	}
}

static void edit_erase(struct tty_line *line)
{
	if (line->head == line->whole)
		return;
	edit_remove(line);
	if (line_has(line, ECHOE))
		edit_unecho(line);
	else
		echo(line, line->termios.c_cc[VERASE]);
}

static void edit_erase_word(struct tty_line *line)
{
	bool seen_word = false;

	while (line->head != line->whole) {
		bool in_word = is_word(*line_byte(line, line->head - 1));

		if (seen_word && !in_word)
			break;
		seen_word |= in_word;
		edit_remove(line);
		edit_unecho(line);
	}
}

static void edit_kill(struct tty_line *line)
{
	if (line_has(line, ECHOKE) && line_has(line, ECHOE)) {
		while (line->head != line->whole) {
			edit_remove(line);
			edit_unecho(line);
		}
		return;
	}
	line->head = line->whole;
	echo(line, line->termios.c_cc[VKILL]);
	if (line_has(line, ECHOK) && line_has(line, ECHO))
		out_byte(line, '\n');
}

static void edit_reprint(struct tty_line *line)
{
	echo_always(line, line->termios.c_cc[VREPRINT]);
	out_byte(line, '\n');
	line->edit_column = 0;
	for (uint32_t at = line->whole; at != line->head; at++)
		echo_always(line, *line_byte(line, at));
}

static void edit_literal(struct tty_line *line)
{
	line->is_literal = true;
	if (line_has(line, ECHO) && line_has(line, ECHOCTL)) {
		out_byte(line, '^');
		out_byte(line, '\b');
	}
}

static void edit_refuse(struct tty_line *line)
{
	if (line_takes(line, IMAXBEL))
		out_byte(line, BELL);
}

/* The byte ends the line.  An end of file is kept as a zero. */
static void edit_finish(struct tty_line *line, uint8_t byte)
{
	bool is_eof = line_is_char(line, VEOF, byte);

	if (!is_eof)
		echo(line, byte);
	if (!line_append(line, is_eof ? VDISABLE : byte, true))
		edit_refuse(line);
}

static bool ends_line(const struct tty_line *line, uint8_t byte)
{
	return byte == '\n' || line_is_char(line, VEOF, byte) || line_is_char(line, VEOL, byte) ||
	       (line_has(line, IEXTEN) && line_is_char(line, VEOL2, byte));
}

/* Was the byte an editing command, or the end of the line? */
static bool line_edit(struct tty_line *line, uint8_t byte)
{
	bool has_more = line_has(line, IEXTEN);

	if (line_is_char(line, VERASE, byte))
		edit_erase(line);
	else if (line_is_char(line, VKILL, byte))
		edit_kill(line);
	else if (has_more && line_is_char(line, VWERASE, byte))
		edit_erase_word(line);
	else if (has_more && line_is_char(line, VLNEXT, byte))
		edit_literal(line);
	else if (has_more && line_has(line, ECHO) && line_is_char(line, VREPRINT, byte))
		edit_reprint(line);
	else if (ends_line(line, byte))
		edit_finish(line, byte);
	else
		return false;
	return true;
}

/* ---- input ---- */

/* Was the byte for stopping and starting output? */
static bool input_flow(struct tty_line *line, uint8_t byte)
{
	if (!line_takes(line, IXON))
		return false;
	if (line_is_char(line, VSTART, byte) || line_is_char(line, VSTOP, byte)) {
		line_set_stopped(line, !line_is_char(line, VSTART, byte));
		return true;
	}
	if (line_takes(line, IXANY))
		line_set_stopped(line, false);
	return false;
}

static int input_signal(struct tty_line *line, uint8_t byte)
{
	int signal = 0;

	if (!line_has(line, ISIG))
		return 0;
	if (line_is_char(line, VINTR, byte))
		signal = SIGINT;
	else if (line_is_char(line, VQUIT, byte))
		signal = SIGQUIT;
	else if (line_is_char(line, VSUSP, byte))
		signal = SIGTSTP;
	if (!signal)
		return 0;
	if (!line_has(line, NOFLSH)) {
		line_flush_input(line);
		line->held_len = 0;
	}
	line_set_stopped(line, false);
	echo(line, byte);
	return signal;
}

/* Carriage returns and newlines as c_iflag wants them.  False: ignore the byte. */
static bool input_translate(const struct tty_line *line, uint8_t *byte)
{
	if (*byte == '\r' && line_takes(line, IGNCR))
		return false;
	if (*byte == '\r' && line_takes(line, ICRNL))
		*byte = '\n';
	else if (*byte == '\n' && line_takes(line, INLCR))
		*byte = '\r';
	return true;
}

static void input_plain(struct tty_line *line, uint8_t byte)
{
	bool was_literal = line->is_literal;

	line->is_literal = false;
	if (!was_literal && !input_translate(line, &byte))
		return;
	if (!was_literal && line_is_canonical(line) && line_edit(line, byte))
		return;
	if (line->head - line->tail >= LINE_BYTES - 1) {
		edit_refuse(line);
		return;
	}
	echo(line, byte);
	line_append(line, byte, false);
}

int line_input(struct tty_line *line, uint8_t byte)
{
	int signal = 0;

	if (line_takes(line, ISTRIP))
		byte &= 0x7f;
	if (!line->is_literal && input_flow(line, byte))
		return 0;
	if (!line->is_literal)
		signal = input_signal(line, byte);
	if (!signal)
		input_plain(line, byte);
	out_flush(line);
	return signal;
}
