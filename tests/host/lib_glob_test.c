// sources: lib/glob.c lib/string.c
/* SPDX-License-Identifier: MIT */

/* Shell patterns. */

#include "tap.h"
#include "lib/glob.h"
#include "lib/types.h"

TEST(plain_patterns_match_themselves)
{
	EXPECT(glob_matches("", ""));
	EXPECT(glob_matches("abc", "abc"));
	EXPECT(!glob_matches("abc", "ab") && !glob_matches("ab", "abc") && !glob_matches("", "a"));
}

TEST(stars_match_anything)
{
	EXPECT(glob_matches("*", "") && glob_matches("*", "abc") && glob_matches("**", "abc"));
	EXPECT(glob_matches("a*c", "ac") && glob_matches("a*c", "abbbc"));
	EXPECT(!glob_matches("a*c", "ab") && !glob_matches("a*c", "abcd"));
	EXPECT(glob_matches("*a*b*", "xxaxxbxx") && !glob_matches("*a*b*", "xxbxxaxx"));
	EXPECT(glob_matches("*ab", "aab") && glob_matches("*abab", "abaabab"));
}

TEST(question_marks_match_one)
{
	EXPECT(glob_matches("a?c", "abc") && !glob_matches("a?c", "ac") && !glob_matches("?", ""));
	EXPECT(glob_matches("*?", "a") && !glob_matches("*?", ""));
}

TEST(sets_and_ranges)
{
	EXPECT(glob_matches("[abc]", "b") && !glob_matches("[abc]", "d"));
	EXPECT(glob_matches("x[0-9]y", "x5y") && !glob_matches("x[0-9]y", "xay"));
	EXPECT(glob_matches("[!0-9]", "a") && !glob_matches("[!0-9]", "7"));
	EXPECT(glob_matches("[^a]", "b") && !glob_matches("[^a]", "a"));
	EXPECT(glob_matches("[]]", "]") && glob_matches("[!]]", "a") && !glob_matches("[!]]", "]"));
	EXPECT(glob_matches("[a-]", "-") && glob_matches("[-a]", "-"));
	EXPECT(glob_matches("[a-c-]", "-"));
}

TEST(a_set_that_never_ends_is_plain)
{
	EXPECT(glob_matches("[abc", "[abc") && !glob_matches("[abc", "a"));
	EXPECT(glob_matches("[", "[") && glob_matches("[]", "[]") && glob_matches("[!", "[!"));
}

TEST(backslash_quotes)
{
	EXPECT(glob_matches("\\*", "*") && !glob_matches("\\*", "a"));
	EXPECT(glob_matches("a\\", "a\\"));
}

TEST(lists_have_alternatives)
{
	EXPECT(glob_list_matches("tree/*,frame/put*", "frame/put_last"));
	EXPECT(glob_list_matches("tree/*,frame/put*", "tree/x"));
	EXPECT(!glob_list_matches("tree/*,frame/put*", "frame/get"));
	EXPECT(!glob_list_matches("a,b", "a,b") && !glob_list_matches("a,b", ""));
	EXPECT(glob_list_matches("a,", "") && glob_list_matches("", ""));
	EXPECT(glob_list_matches(",b", "b"));
	EXPECT(!glob_list_matches("[a,b]", "b"));
}

TEST(many_stars_do_not_explode)
{
	static char text[2001];

	memset(text, 'a', 2000);
	EXPECT(!glob_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
	EXPECT(glob_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a", text));
}
