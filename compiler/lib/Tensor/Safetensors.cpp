// Reader and writer of .safetensors. The reader trusts nothing: header length, JSON, dtypes, shapes, and offsets that must
// tile the data without a gap or an overlap.
#include "triton/Tensor/Safetensors.h"
#include "triton/Support/Json.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

namespace triton {

// The format's own limit on the header, and a bound on the number of axes that any real tensor has.
static constexpr uint64_t maxHeaderBytes = 100'000'000;
static constexpr size_t maxRank = 32;

static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

const SafetensorsFile::Entry *SafetensorsFile::find(std::string_view key) const {
  auto it = std::lower_bound(tensors.begin(), tensors.end(), key, [](const Entry &e, std::string_view k) { return e.key < k; });
  return it != tensors.end() && it->key == key ? &*it : nullptr;
}

std::vector<std::string> SafetensorsFile::nearest(std::string_view key, size_t limit) const {
  std::vector<std::pair<size_t, std::string>> ranked;
  if (key.size() > 512) return {};
  for (const Entry &e : tensors) {
    if (e.key.size() > 512) continue;
    size_t distance = editDistance(key, e.key);
    if (distance <= std::max<size_t>(3, key.size() / 3)) ranked.emplace_back(distance, e.key);
  }
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > limit) ranked.resize(limit);
  std::vector<std::string> out;
  for (auto &[distance, name] : ranked) out.push_back(std::move(name));
  return out;
}

Result<std::vector<float>> SafetensorsFile::floats(std::string_view key, const TensorShape *shape) const {
  const Entry *e = find(key);
  if (!e) {
    std::string message = fileName + ": no tensor '" + std::string(key) + "'";
    std::vector<std::string> near = nearest(key, 1);
    if (!near.empty()) message += "; the nearest key present is '" + near.front() + "'";
    return Error{message};
  }
  if (shape && *shape != e->shape)
    return Error{fileName + ": tensor '" + e->key + "' has shape " + formatShape(e->shape) + ", expected " + formatShape(*shape)};
  std::vector<float> values = toFloats(e->type, e->bytes);
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return Error{fileName + ": tensor '" + e->key + "' holds " + (std::isnan(values[i]) ? "NaN" : "an infinity") +
                   " at element " + std::to_string(i) + " (offset " +
                   std::to_string(e->begin + i * elementBytes(e->type)) + ")"};
  return values;
}

namespace {

/// What the header says about one tensor, offsets relative to the data.
struct RawEntry {
  const std::string *key;
  ElementType type;
  TensorShape shape;
  uint64_t begin, end;
};

Result<RawEntry> readEntry(const std::string &name, const std::string &key, const json::Value &value, uint64_t dataBytes) {
  auto bad = [&](const std::string &what) { return Error{name + ": header: tensor '" + key + "': " + what}; };
  const json::Object *object = value.asObject();
  if (!object) return bad("expected an object");
  for (const auto &[field, unused] : *object)
    if (field != "dtype" && field != "shape" && field != "data_offsets") return bad("unknown field " + json::quote(field));
  const json::Value *dtype = object->find("dtype");
  if (!dtype || !dtype->asString()) return bad("'dtype' is missing or not a string");
  std::optional<ElementType> type = elementTypeFromSafetensors(*dtype->asString());
  if (!type)
    return bad("unknown dtype " + json::quote(*dtype->asString()) +
               " (known: BOOL U8 I8 U16 I16 U32 I32 U64 I64 F16 BF16 F32 F64)");
  const json::Value *shapeValue = object->find("shape");
  if (!shapeValue || !shapeValue->asArray()) return bad("'shape' is missing or not an array");
  RawEntry e{&key, *type, {}, 0, 0};
  if (shapeValue->asArray()->size() > maxRank) return bad("'shape' has more than " + std::to_string(maxRank) + " sizes");
  for (const json::Value &size : *shapeValue->asArray()) {
    if (!size.asInt() || *size.asInt() < 0) return bad("'shape' must hold integers of at least 0");
    e.shape.push_back(*size.asInt());
  }
  std::optional<int64_t> count = elementCount(e.shape);
  if (!count || *count > (int64_t(1) << 58)) return bad("shape " + formatShape(e.shape) + " is too large");
  const json::Value *offsets = object->find("data_offsets");
  const json::Array *pair = offsets ? offsets->asArray() : nullptr;
  if (!pair || pair->size() != 2 || !(*pair)[0].asInt() || !(*pair)[1].asInt())
    return bad("'data_offsets' must be two integers");
  int64_t begin = *(*pair)[0].asInt(), end = *(*pair)[1].asInt();
  std::string range = "[" + std::to_string(begin) + ", " + std::to_string(end) + "]";
  if (begin < 0 || end < begin) return bad("data_offsets " + range + " are out of order");
  if (static_cast<uint64_t>(end) > dataBytes)
    return bad("data_offsets " + range + " leave the data, which has " + std::to_string(dataBytes) + " bytes");
  auto needed = static_cast<uint64_t>(*count) * elementBytes(*type);
  if (static_cast<uint64_t>(end - begin) != needed)
    return bad("data_offsets " + range + " hold " + std::to_string(end - begin) + " bytes, but " +
               std::string(safetensorsName(*type)) + " " + formatShape(e.shape) + " needs " + std::to_string(needed));
  e.begin = static_cast<uint64_t>(begin);
  e.end = static_cast<uint64_t>(end);
  return e;
}

} // namespace

Result<SafetensorsFile> SafetensorsFile::check(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes,
                                               std::string name) {
  if (bytes.size() < 8)
    return Error{name + ": offset 0: not a .safetensors file: " + std::to_string(bytes.size()) +
                 " bytes, the header length alone takes 8"};
  uint64_t headerBytes = 0;
  for (int i = 0; i < 8; ++i) headerBytes |= uint64_t(bytes[i]) << (8 * i);
  if (headerBytes > maxHeaderBytes)
    return Error{name + ": offset 0: header length " + std::to_string(headerBytes) + " is over the limit of " +
                 std::to_string(maxHeaderBytes)};
  if (headerBytes > bytes.size() - 8)
    return Error{name + ": offset 0: header length " + std::to_string(headerBytes) + " leaves the file, which has " +
                 std::to_string(bytes.size()) + " bytes"};
  std::string_view header(reinterpret_cast<const char *>(bytes.data()) + 8, headerBytes);
  if (header.empty() || header.front() != '{') return Error{name + ": offset 8: the header does not begin with '{'"};
  Result<json::Value> document = json::parse(header, name + ": header");
  if (!document) return document.takeError();

  uint64_t dataAt = 8 + headerBytes;
  uint64_t dataBytes = bytes.size() - dataAt;
  SafetensorsFile file;
  file.owner = std::move(owner);
  file.fileName = name;
  std::vector<RawEntry> raw;
  for (const auto &[key, value] : *document->asObject()) {
    if (key == "__metadata__") {
      const json::Object *object = value.asObject();
      if (!object) return Error{name + ": header: '__metadata__' must be an object of strings"};
      for (const auto &[metaKey, metaValue] : *object) {
        if (!metaValue.asString())
          return Error{name + ": header: '__metadata__': the value of " + json::quote(metaKey) + " is not a string"};
        file.meta[metaKey] = *metaValue.asString();
      }
      continue;
    }
    Result<RawEntry> entry = readEntry(name, key, value, dataBytes);
    if (!entry) return entry.takeError();
    raw.push_back(std::move(*entry));
  }

  std::vector<const RawEntry *> byOffset;
  for (const RawEntry &e : raw) byOffset.push_back(&e);
  std::sort(byOffset.begin(), byOffset.end(), [](const RawEntry *a, const RawEntry *b) {
    return std::tie(a->begin, a->end, *a->key) < std::tie(b->begin, b->end, *b->key);
  });
  uint64_t expected = 0;
  const std::string *before = nullptr;
  for (const RawEntry *e : byOffset) {
    if (e->begin < expected)
      return Error{name + ": header: tensor '" + *e->key + "' at data offset " + std::to_string(e->begin) + " overlaps '" +
                   *before + "', which ends at " + std::to_string(expected)};
    if (e->begin > expected)
      return Error{name + ": header: " + std::to_string(e->begin - expected) + " bytes before tensor '" + *e->key +
                   "' (data offset " + std::to_string(expected) + ") belong to no tensor"};
    expected = e->end;
    before = e->key;
  }
  if (expected != dataBytes)
    return Error{name + ": offset " + std::to_string(dataAt + expected) + ": " + std::to_string(dataBytes - expected) +
                 " bytes after the last tensor belong to no tensor"};

  for (RawEntry &e : raw)
    file.tensors.push_back({*e.key, e.type, std::move(e.shape), dataAt + e.begin, bytes.subspan(dataAt + e.begin, e.end - e.begin)});
  std::sort(file.tensors.begin(), file.tensors.end(), [](const Entry &a, const Entry &b) { return a.key < b.key; });
  return file;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Result<MappedFile> mapped = mapFile(path);
  if (!mapped) return mapped.takeError();
  return check(std::move(mapped->owner), mapped->bytes, path);
}

Result<SafetensorsFile> SafetensorsFile::fromEntries(std::shared_ptr<const void> owner, std::vector<Entry> entries, std::string name) {
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) { return a.key < b.key; });
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i].key == entries[i - 1].key) return Error{name + ": two tensors are named '" + entries[i].key + "'"};
  SafetensorsFile file;
  file.owner = std::move(owner);
  file.fileName = std::move(name);
  file.tensors = std::move(entries);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::fromBytes(std::string_view bytes, std::string name) {
  auto copy = std::make_shared<std::vector<uint8_t>>(bytes.begin(), bytes.end());
  std::span<const uint8_t> view(*copy);
  return check(std::shared_ptr<const void>(copy, copy.get()), view, std::move(name));
}

Result<std::string> encodeSafetensors(const std::vector<std::pair<std::string, HostTensor>> &tensors,
                                      const std::map<std::string, std::string> &metadata) {
  std::vector<const std::pair<std::string, HostTensor> *> sorted;
  for (const auto &t : tensors) sorted.push_back(&t);
  std::sort(sorted.begin(), sorted.end(), [](auto *a, auto *b) { return a->first < b->first; });

  json::Object header;
  if (!metadata.empty()) {
    json::Object meta;
    for (const auto &[key, value] : metadata) meta.append(key, value);
    header.append("__metadata__", std::move(meta));
  }
  uint64_t offset = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const auto &[key, tensor] = *sorted[i];
    if (key == "__metadata__" || (i && sorted[i - 1]->first == key))
      return Error{"tensor key '" + key + "' is reserved or given twice", ErrorKind::Internal};
    std::optional<int64_t> count = elementCount(tensor.shape);
    if (!count || static_cast<uint64_t>(*count) * elementBytes(tensor.type) != tensor.bytes.size())
      return Error{"tensor '" + key + "' has " + std::to_string(tensor.bytes.size()) + " bytes, which do not fit its shape " +
                       formatShape(tensor.shape),
                   ErrorKind::Internal};
    json::Array shape;
    for (int64_t size : tensor.shape) shape.emplace_back(size);
    json::Object entry;
    entry.append("dtype", safetensorsName(tensor.type));
    entry.append("shape", std::move(shape));
    entry.append("data_offsets", json::Array{int64_t(offset), int64_t(offset + tensor.bytes.size())});
    header.append(key, std::move(entry));
    offset += tensor.bytes.size();
  }
  std::string text = json::write(json::Value(std::move(header)));
  while (text.size() % 8) text += ' ';
  std::string out;
  out.reserve(8 + text.size() + offset);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(uint64_t(text.size()) >> (8 * i));
  out += text;
  for (const auto *t : sorted)
    if (!t->second.bytes.empty()) out.append(reinterpret_cast<const char *>(t->second.bytes.data()), t->second.bytes.size());
  return out;
}

Result<void> writeSafetensors(const std::string &path, const std::vector<std::pair<std::string, HostTensor>> &tensors,
                              const std::map<std::string, std::string> &metadata) {
  Result<std::string> bytes = encodeSafetensors(tensors, metadata);
  if (!bytes) return bytes.takeError();
  return writeFileAtomically(path, *bytes);
}

} // namespace triton
