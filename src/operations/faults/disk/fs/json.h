#ifndef AJNA_JSON_H
#define AJNA_JSON_H

#include <stddef.h>

/* As much JSON as the control file needs. */
enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    double number;       /* of JSON_NUMBER and JSON_BOOL */
    char *text;          /* of JSON_STRING */
    char *name;          /* its key, inside an object */
    struct json *first;  /* of arrays and objects */
    struct json *next;
};

/* NULL when the text is not one JSON value. To be freed with json_free. */
struct json *json_parse(const char *text, size_t length);
void json_free(struct json *value);
/* NULL when it is no object or has no such member. */
const struct json *json_member(const struct json *object, const char *name);

#endif
