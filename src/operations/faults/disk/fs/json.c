#include "json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

struct reader {
    const char *at, *end;
    int depth;
};

static struct json *value_of(struct reader *reader);

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && isspace((unsigned char)*reader->at))
        reader->at++;
}

static int take(struct reader *reader, char expected)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != expected)
        return 0;
    reader->at++;
    return 1;
}

/* Beyond ASCII only as it stands: paths that are matched here never need \u. */
static char escaped(char letter)
{
    switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    case '"': case '\\': case '/': return letter;
    default: return '\0';
    }
}

static char *string_of(struct reader *reader)
{
    if (!take(reader, '"'))
        return NULL;
    char *text = malloc((size_t)(reader->end - reader->at) + 1);
    size_t length = 0;
    while (text != NULL && reader->at < reader->end && *reader->at != '"') {
        char letter = *reader->at++;
        if (letter == '\\') {
            letter = reader->at < reader->end ? escaped(*reader->at++) : '\0';
            if (letter == '\0')
                break;
        }
        text[length++] = letter;
    }
    if (text == NULL || reader->at == reader->end || *reader->at != '"') {
        free(text);
        return NULL;
    }
    reader->at++;
    text[length] = '\0';
    return text;
}

static int literal(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || strncmp(reader->at, word, length) != 0)
        return 0;
    reader->at += length;
    return 1;
}

static int scalar(struct reader *reader, struct json *value)
{
    if (*reader->at == '"') {
        value->kind = JSON_STRING;
        value->text = string_of(reader);
        return value->text != NULL;
    }
    if (literal(reader, "null"))
        return 1;
    if (literal(reader, "true")) {
        value->kind = JSON_BOOL;
        value->number = 1;
        return 1;
    }
    if (literal(reader, "false")) {
        value->kind = JSON_BOOL;
        return 1;
    }
    /* The text ends with a zero byte: see json_parse. */
    char *after;
    value->kind = JSON_NUMBER;
    value->number = strtod(reader->at, &after);
    if (after == reader->at || after > reader->end)
        return 0;
    reader->at = after;
    return 1;
}

static int members(struct reader *reader, struct json *value, char close)
{
    struct json **last = &value->first;
    if (take(reader, close))
        return 1;
    do {
        char *name = NULL;
        if (value->kind == JSON_OBJECT && ((name = string_of(reader)) == NULL || !take(reader, ':'))) {
            free(name);
            return 0;
        }
        struct json *member = value_of(reader);
        if (member == NULL) {
            free(name);
            return 0;
        }
        member->name = name;
        *last = member;
        last = &member->next;
    } while (take(reader, ','));
    return take(reader, close);
}

static struct json *value_of(struct reader *reader)
{
    skip_space(reader);
    struct json *value = calloc(1, sizeof *value);
    if (value == NULL || reader->at == reader->end || ++reader->depth > MAX_DEPTH) {
        free(value);
        return NULL;
    }
    int whole;
    if (take(reader, '{')) {
        value->kind = JSON_OBJECT;
        whole = members(reader, value, '}');
    } else if (take(reader, '[')) {
        value->kind = JSON_ARRAY;
        whole = members(reader, value, ']');
    } else {
        whole = scalar(reader, value);
    }
    reader->depth--;
    if (whole)
        return value;
    json_free(value);
    return NULL;
}

struct json *json_parse(const char *text, size_t length)
{
    char *copy = strndup(text, length);
    if (copy == NULL)
        return NULL;
    struct reader reader = { copy, copy + strlen(copy), 0 };
    struct json *value = value_of(&reader);
    skip_space(&reader);
    if (value != NULL && reader.at != reader.end) {
        json_free(value);
        value = NULL;
    }
    free(copy);
    return value;
}

void json_free(struct json *value)
{
    while (value != NULL) {
        struct json *next = value->next;
        json_free(value->first);
        free(value->text);
        free(value->name);
        free(value);
        value = next;
    }
}

const struct json *json_member(const struct json *object, const char *name)
{
    if (object == NULL || object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *each = object->first; each != NULL; each = each->next)
        if (strcmp(each->name, name) == 0)
            return each;
    return NULL;
}
