/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/store.h"

#include <string.h>

struct kms_value kms_int(int64_t number)
{
    return (struct kms_value){ .type = KMS_VALUE_INT, .number = number };
}

struct kms_value kms_text(const char *text)
{
    return (struct kms_value){ .type = KMS_VALUE_TEXT, .data = text, .length = strlen(text) };
}

struct kms_value kms_blob(const void *data, size_t length)
{
    return (struct kms_value){ .type = KMS_VALUE_BLOB, .data = data, .length = length };
}

static const struct kms_value *column_of(
    struct kms_row *row, size_t column, enum kms_value_type type)
{
    if (column >= row->count || row->values[column].type != type) {
        row->bad = true;
        return NULL;
    }
    return &row->values[column];
}

int64_t kms_row_int(struct kms_row *row, size_t column)
{
    const struct kms_value *value = column_of(row, column, KMS_VALUE_INT);
    return value != NULL ? value->number : 0;
}

void kms_row_text(struct kms_row *row, size_t column, size_t size, char *ret_text)
{
    const struct kms_value *value = column_of(row, column, KMS_VALUE_TEXT);
    ret_text[0] = '\0';
    if (value == NULL) {
        return;
    }
    if (value->length >= size || memchr(value->data, '\0', value->length) != NULL) {
        row->bad = true;
        return;
    }
    memcpy(ret_text, value->data, value->length);
    ret_text[value->length] = '\0';
}

size_t kms_row_blob(struct kms_row *row, size_t column, size_t size, uint8_t *ret_data)
{
    const struct kms_value *value = column_of(row, column, KMS_VALUE_BLOB);
    if (value == NULL || value->length > size) {
        row->bad = true;
        return 0;
    }
    if (value->length > 0) {
        memcpy(ret_data, value->data, value->length);
    }
    return value->length;
}

void kms_row_bytes(struct kms_row *row, size_t column, size_t length, uint8_t *ret_data)
{
    memset(ret_data, 0, length);
    if (kms_row_blob(row, column, length, ret_data) != length) {
        row->bad = true;
    }
}

enum base_status kms_store_begin(struct kms_store *store, struct base_err *err)
{
    return store->ops->begin(store->state, err);
}

enum base_status kms_store_commit(struct kms_store *store, struct base_err *err)
{
    return store->ops->commit(store->state, err);
}

void kms_store_rollback(struct kms_store *store)
{
    store->ops->rollback(store->state);
}

enum base_status kms_store_run(struct kms_store *store, const struct kms_statement *statement,
    int64_t *ret_changed, struct base_err *err)
{
    int64_t changed = 0;
    enum base_status status = store->ops->run(store->state, statement, &changed, err);
    if (status == BASE_OK && ret_changed != NULL) {
        *ret_changed = changed;
    }
    return status;
}

int64_t kms_store_now_us(struct kms_store *store)
{
    return store->ops->now_us(store->state);
}

enum base_status kms_store_purge(struct kms_store *store, struct base_err *err)
{
    return store->ops->purge != NULL ? store->ops->purge(store->state, err) : BASE_OK;
}

void kms_store_close(struct kms_store *store)
{
    if (store == NULL || store->ops == NULL) {
        return;
    }
    store->ops->close(store->state);
    memset(store, 0, sizeof(*store));
}
