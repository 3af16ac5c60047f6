#include "backends/mysql/row_batch.h"

#include <string_view>

namespace roost::mysql {
namespace {

constexpr size_t kBytesOfValue = 16;

std::string_view TextOf(const Value& value) {
  if (value.type() == Value::Type::kText) return value.text();
  if (value.type() != Value::Type::kBlob) return {};
  return {reinterpret_cast<const char*>(value.blob().data()), value.blob().size()};
}

}  // namespace

size_t RowBatch::BytesOf(std::span<const Value> values) {
  size_t bytes = 0;
  for (const Value& value : values) bytes += kBytesOfValue + TextOf(value).size();
  return bytes;
}

void RowBatch::Clear() {
  rows_ = 0;
  text_.clear();
  for (Column& column : columns_) {
    column.type = Value::Type::kNull;
    column.numbers.clear();
    column.begins.clear();
    column.sizes.clear();
    column.nulls.clear();
  }
}

bool RowBatch::Add(std::span<const Value> values) {
  for (size_t i = 0; i < places_.size(); ++i) {
    const Value::Type type = values[places_[i]].type();
    const Value::Type wanted = columns_[i].type;
    if (type != Value::Type::kNull && wanted != Value::Type::kNull && type != wanted) return false;
  }
  for (size_t i = 0; i < places_.size(); ++i) AddTo(columns_[i], values[places_[i]]);
  ++rows_;
  return true;
}

void RowBatch::AddTo(Column& column, const Value& value) {
  Number number{};
  switch (value.type()) {
    case Value::Type::kInt64:
    case Value::Type::kTooLarge:
      number.whole = value.int64();
      break;
    case Value::Type::kDouble:
      number.real = value.real();
      break;
    default:
      break;
  }
  const bool null = value.type() == Value::Type::kNull;
  if (!null) column.type = value.type();
  const std::string_view text = TextOf(value);
  column.numbers.push_back(number);
  column.begins.push_back(text_.size());
  column.sizes.push_back(text.size());
  column.nulls.push_back(null ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE);
  text_.append(text);
}

MYSQL_BIND* RowBatch::Bind() {
  binds_.assign(columns_.size(), MYSQL_BIND{});
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    MYSQL_BIND& bind = binds_[i];
    bind.u.indicator = column.nulls.data();
    switch (column.type) {
      case Value::Type::kInt64:
      case Value::Type::kTooLarge:
        bind.is_unsigned = column.type == Value::Type::kTooLarge ? 1 : 0;
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = column.numbers.data();
        break;
      case Value::Type::kDouble:
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = column.numbers.data();
        break;
      default:
        column.texts.clear();
        for (const size_t begin : column.begins) column.texts.push_back(text_.data() + begin);
        bind.buffer_type = column.type == Value::Type::kBlob ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING;
        bind.buffer = column.texts.data();
        bind.length = column.sizes.data();
    }
  }
  return binds_.data();
}

}  // namespace roost::mysql
