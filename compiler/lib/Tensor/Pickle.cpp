// A pickle is a program for a stack machine. This one has values and a memo, and of the calls that a pickle can ask for it knows five, none
// of which does more than to note what it was given.
#include "Pickle.h"

#include "triton/Support/Utf8.h"

#include <array>
#include <bit>
#include <optional>
#include <unordered_map>

namespace triton::pickle {

// Far more than the largest checkpoints have (about fifteen values a tensor), and a bound on the memory that a small file can ask for.
static constexpr size_t kMaxValues = size_t(1) << 22;
// PyTorch has 64.
static constexpr size_t kMaxRank = 64;

static bool isValidUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8Length(text);
    if (!length) return false;
    text.remove_prefix(length);
  }
  return true;
}

namespace {

struct OpcodeRow {
  char byte;
  std::string_view name;
  bool allowed;
};
/// Every opcode of protocols 0 to 5.
constexpr OpcodeRow kOpcodes[] = {
    {'\x80', "PROTO", true}, {'.', "STOP", true}, {'(', "MARK", true}, {'N', "NONE", true}, {'\x88', "NEWTRUE", true},
    {'\x89', "NEWFALSE", true}, {'J', "BININT", true}, {'K', "BININT1", true}, {'M', "BININT2", true}, {'\x8a', "LONG1", true},
    {'G', "BINFLOAT", true}, {'X', "BINUNICODE", true}, {'\x8c', "SHORT_BINUNICODE", true}, {')', "EMPTY_TUPLE", true},
    {'\x85', "TUPLE1", true}, {'\x86', "TUPLE2", true}, {'\x87', "TUPLE3", true}, {'t', "TUPLE", true}, {']', "EMPTY_LIST", true},
    {'a', "APPEND", true}, {'e', "APPENDS", true}, {'}', "EMPTY_DICT", true}, {'s', "SETITEM", true}, {'u', "SETITEMS", true},
    {'q', "BINPUT", true}, {'r', "LONG_BINPUT", true}, {'\x94', "MEMOIZE", true}, {'h', "BINGET", true}, {'j', "LONG_BINGET", true},
    {'c', "GLOBAL", true}, {'\x93', "STACK_GLOBAL", true}, {'R', "REDUCE", true}, {'b', "BUILD", true}, {'Q', "BINPERSID", true},
    {'\x95', "FRAME", true},
    {'0', "POP", false}, {'1', "POP_MARK", false}, {'2', "DUP", false}, {'F', "FLOAT", false}, {'I', "INT", false}, {'L', "LONG", false},
    {'P', "PERSID", false}, {'S', "STRING", false}, {'T', "BINSTRING", false}, {'U', "SHORT_BINSTRING", false}, {'V', "UNICODE", false},
    {'d', "DICT", false}, {'g', "GET", false}, {'i', "INST", false}, {'l', "LIST", false}, {'o', "OBJ", false}, {'p', "PUT", false},
    {'\x81', "NEWOBJ", false}, {'\x82', "EXT1", false}, {'\x83', "EXT2", false}, {'\x84', "EXT4", false}, {'\x8b', "LONG4", false},
    {'B', "BINBYTES", false}, {'C', "SHORT_BINBYTES", false}, {'\x8d', "BINUNICODE8", false}, {'\x8e', "BINBYTES8", false},
    {'\x8f', "EMPTY_SET", false}, {'\x90', "ADDITEMS", false}, {'\x91', "FROZENSET", false}, {'\x92', "NEWOBJ_EX", false},
    {'\x96', "BYTEARRAY8", false}, {'\x97', "NEXT_BUFFER", false}, {'\x98', "READONLY_BUFFER", false},
};

struct GlobalRow {
  std::string_view module, name;
  Global global;
};
constexpr GlobalRow kGlobals[] = {
    {"collections", "OrderedDict", Global::OrderedDict},
    {"torch", "Size", Global::Size},
    {"torch._utils", "_rebuild_tensor", Global::RebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Global::RebuildTensorV2},
    {"torch._utils", "_rebuild_parameter", Global::RebuildParameter},
    {"torch", "BoolStorage", Global::BoolStorage},
    {"torch", "ByteStorage", Global::ByteStorage},
    {"torch", "CharStorage", Global::CharStorage},
    {"torch", "ShortStorage", Global::ShortStorage},
    {"torch", "IntStorage", Global::IntStorage},
    {"torch", "LongStorage", Global::LongStorage},
    {"torch", "HalfStorage", Global::HalfStorage},
    {"torch", "BFloat16Storage", Global::BFloat16Storage},
    {"torch", "FloatStorage", Global::FloatStorage},
    {"torch", "DoubleStorage", Global::DoubleStorage},
};

const OpcodeRow *findOpcode(uint8_t opcode) {
  for (const OpcodeRow &row : kOpcodes)
    if (static_cast<uint8_t>(row.byte) == opcode) return &row;
  return nullptr;
}

class Machine {
public:
  Machine(std::string_view bytes, const std::string &name) : bytes(bytes), name(name) {}

  Result<Document> run();

private:
  std::string_view bytes;
  const std::string &name;
  Document document;
  std::vector<Id> stack;
  std::vector<size_t> marks; ///< heights of the stack
  std::unordered_map<uint32_t, Id> memo;
  size_t at = 0, opcodeAt = 0;
  std::optional<Error> failure; ///< the first one; after it nothing counts
  Value spare;                  ///< written to after a failure

  void fail(const std::string &what) {
    if (!failure) failure = Error{name + ": offset " + std::to_string(opcodeAt) + ": " + what};
  }
  /// The next `count` bytes; empty, and a failure, when the pickle has fewer.
  std::string_view take(uint64_t count) {
    if (count > bytes.size() - at) {
      fail("the pickle is cut off");
      at = bytes.size();
      return {};
    }
    std::string_view out = bytes.substr(at, count);
    at += count;
    return out;
  }
  uint64_t number(unsigned count) {
    std::string_view raw = take(count);
    uint64_t value = 0;
    for (size_t i = 0; i < raw.size(); ++i) value |= uint64_t(static_cast<unsigned char>(raw[i])) << (8 * i);
    return value;
  }
  /// A text up to a line feed, as GLOBAL has two.
  std::string_view line() {
    size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) {
      take(bytes.size() - at + 1);
      return {};
    }
    std::string_view out = take(end - at);
    take(1);
    return out;
  }

  Value &push(Kind kind) {
    if (document.values.size() >= kMaxValues) {
      fail("more than " + std::to_string(kMaxValues) + " values");
      return spare = Value();
    }
    stack.push_back(static_cast<Id>(document.values.size()));
    Value &value = document.values.emplace_back();
    value.kind = kind;
    value.offset = opcodeAt;
    return value;
  }
  void pushInt(int64_t value) { push(Kind::Int).integer = value; }
  void pushText(std::string_view text) {
    if (!isValidUtf8(text)) return fail("a text is not UTF-8");
    push(Kind::Text).text = text;
  }
  /// The lowest height that this frame may pop to.
  size_t floor() const { return marks.empty() ? 0 : marks.back(); }
  std::optional<Id> pop() {
    if (stack.size() <= floor()) {
      fail("the stack is empty");
      return std::nullopt;
    }
    Id id = stack.back();
    stack.pop_back();
    return id;
  }
  /// The values above the last mark, which goes with them.
  std::vector<Id> popMark() {
    if (marks.empty()) {
      fail("there is no mark");
      return {};
    }
    std::vector<Id> out(stack.begin() + static_cast<ptrdiff_t>(marks.back()), stack.end());
    stack.resize(marks.back());
    marks.pop_back();
    return out;
  }
  /// The value on top, which must be of `kind`.
  Value *top(Kind kind, const char *what) {
    if (stack.size() <= floor() || document.values[stack.back()].kind != kind) {
      fail(std::string("needs ") + what + " to work on");
      return nullptr;
    }
    return &document.values[stack.back()];
  }

  void tuple(unsigned count) {
    std::vector<Id> items(count);
    for (unsigned i = count; i-- > 0;) {
      std::optional<Id> id = pop();
      if (!id) return;
      items[i] = *id;
    }
    push(Kind::Tuple).items = std::move(items);
  }
  void put(uint64_t index) {
    if (stack.size() <= floor()) return fail("the stack is empty");
    memo[static_cast<uint32_t>(index)] = stack.back();
    if (memo.size() > kMaxValues) fail("the memo is too large");
  }
  void get(uint64_t index) {
    auto found = memo.find(static_cast<uint32_t>(index));
    if (found == memo.end()) return fail("the memo has no value " + std::to_string(index));
    stack.push_back(found->second);
    // Values are bounded by their making; repeated references are bounded by the stack.
    if (stack.size() > kMaxValues) fail("the stack is too deep");
  }
  void global(std::string_view module, std::string_view wanted) {
    for (const GlobalRow &row : kGlobals)
      if (row.module == module && row.name == wanted) {
        push(Kind::Global).global = row.global;
        return;
      }
    fail("refuses the global '" + printable(module) + "." + printable(wanted) +
         "': only tensors are read from a checkpoint, and nothing in it is run");
  }
  static std::string printable(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 100)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return out;
  }
  bool isTupleOfInts(Id id) const {
    if (document[id].kind != Kind::Tuple || document[id].items.size() > kMaxRank) return false;
    for (Id item : document[id].items)
      if (document[item].kind != Kind::Int) return false;
    return true;
  }

  void reduce();
  void persistentId();
  void step(uint8_t opcode);
};

void Machine::reduce() {
  std::optional<Id> arguments = pop(), callable = pop();
  if (!arguments || !callable) return;
  if (document[*callable].kind != Kind::Global || document[*arguments].kind != Kind::Tuple)
    return fail("refuses to call what is no known function");
  const std::vector<Id> given = document[*arguments].items;
  auto kind = [&](size_t i) { return document[given[i]].kind; };
  switch (document[*callable].global) {
  case Global::OrderedDict:
    if (!given.empty()) return fail("refuses OrderedDict with arguments");
    push(Kind::Dict);
    return;
  case Global::Size:
    if (given.size() != 1 || !isTupleOfInts(given[0])) return fail("torch.Size needs a tuple of integers");
    stack.push_back(given[0]);
    return;
  case Global::RebuildTensor:
  case Global::RebuildTensorV2: {
    bool second = document[*callable].global == Global::RebuildTensorV2;
    if (second ? given.size() < 6 || given.size() > 7 : given.size() != 4) return fail("a tensor has " + std::to_string(given.size()) + " arguments");
    if (kind(0) != Kind::Storage || kind(1) != Kind::Int || !isTupleOfInts(given[2]) || !isTupleOfInts(given[3]))
      return fail("a tensor needs a storage, an offset, sizes and strides");
    push(Kind::Tensor).items = {given[0], given[1], given[2], given[3]};
    return;
  }
  case Global::RebuildParameter:
    if (given.size() != 3 || kind(0) != Kind::Tensor) return fail("a parameter needs a tensor");
    stack.push_back(given[0]);
    return;
  default:
    return fail("refuses to call a storage type");
  }
}

void Machine::persistentId() {
  std::optional<Id> id = pop();
  if (!id) return;
  const std::vector<Id> parts = document[*id].items;
  auto text = [&](size_t i) { return document[parts[i]].kind == Kind::Text ? document[parts[i]].text : std::string_view(); };
  if (document[*id].kind != Kind::Tuple || parts.size() != 5 || text(0) != "storage" || document[parts[1]].kind != Kind::Global ||
      document[parts[1]].global < Global::BoolStorage || text(2).empty() || document[parts[4]].kind != Kind::Int)
    return fail("a persistent id must be ('storage', type, key, location, number of elements)");
  Global type = document[parts[1]].global;
  int64_t count = document[parts[4]].integer;
  std::string_view key = text(2);
  Value &storage = push(Kind::Storage);
  storage.global = type;
  storage.text = key;
  storage.integer = count;
}

void Machine::step(uint8_t opcode) {
  switch (static_cast<char>(opcode)) {
  case '\x80': fail("PROTO stands at the beginning only"); return;
  case '\x95': // FRAME: a length for readers that fetch in pieces
    if (uint64_t length = number(8); length > bytes.size() - at) fail("the frame leaves the pickle");
    return;
  case '(':
    marks.push_back(stack.size());
    if (marks.size() > kMaxValues) fail("too many marks");
    return;
  case 'N': push(Kind::None); return;
  case '\x88': push(Kind::Bool).integer = 1; return;
  case '\x89': push(Kind::Bool); return;
  case 'J': pushInt(static_cast<int32_t>(number(4))); return;
  case 'K': pushInt(static_cast<int64_t>(number(1))); return;
  case 'M': pushInt(static_cast<int64_t>(number(2))); return;
  case '\x8a': { // LONG1: little-endian two's complement
    auto count = static_cast<unsigned>(number(1));
    if (count > 8) return fail("an integer of " + std::to_string(count) + " bytes does not fit 64 bits");
    uint64_t value = number(count);
    unsigned unused = 64 - 8 * count;
    pushInt(count == 0 ? 0 : static_cast<int64_t>(value << unused) >> unused);
    return;
  }
  case 'G': { // BINFLOAT: big-endian, unlike the rest
    std::string_view raw = take(8);
    uint64_t value = 0;
    for (char c : raw) value = value << 8 | static_cast<unsigned char>(c);
    push(Kind::Float).real = std::bit_cast<double>(value);
    return;
  }
  case 'X': pushText(take(number(4))); return;
  case '\x8c': pushText(take(number(1))); return;
  case ')': push(Kind::Tuple); return;
  case '\x85': tuple(1); return;
  case '\x86': tuple(2); return;
  case '\x87': tuple(3); return;
  case 't': {
    std::vector<Id> items = popMark();
    push(Kind::Tuple).items = std::move(items);
    return;
  }
  case ']': push(Kind::List); return;
  case '}': push(Kind::Dict); return;
  case 'a': {
    std::optional<Id> item = pop();
    if (Value *list = top(Kind::List, "a list"); list && item) list->items.push_back(*item);
    return;
  }
  case 'e': {
    std::vector<Id> items = popMark();
    if (Value *list = top(Kind::List, "a list")) list->items.insert(list->items.end(), items.begin(), items.end());
    return;
  }
  case 's': {
    std::optional<Id> value = pop(), key = pop();
    if (!value || !key) return;
    if (Value *dict = top(Kind::Dict, "a dictionary")) dict->items.insert(dict->items.end(), {*key, *value});
    return;
  }
  case 'u': {
    std::vector<Id> items = popMark();
    if (items.size() % 2) return fail("a key has no value");
    if (Value *dict = top(Kind::Dict, "a dictionary")) dict->items.insert(dict->items.end(), items.begin(), items.end());
    return;
  }
  case 'q': put(number(1)); return;
  case 'r': put(number(4)); return;
  case '\x94': put(memo.size()); return;
  case 'h': get(number(1)); return;
  case 'j': get(number(4)); return;
  case 'c': {
    std::string_view module = line();
    std::string_view wanted = line();
    if (!failure) global(module, wanted);
    return;
  }
  case '\x93': {
    std::optional<Id> wanted = pop(), module = pop();
    if (!wanted || !module) return;
    if (document[*wanted].kind != Kind::Text || document[*module].kind != Kind::Text) return fail("the name of a global must be a text");
    global(document[*module].text, document[*wanted].text);
    return;
  }
  case 'R': reduce(); return;
  case 'b': // BUILD: state_dict() hangs version numbers on its dictionary; they say nothing of the tensors
    if (pop()) top(Kind::Dict, "a dictionary");
    return;
  case 'Q': persistentId(); return;
  default: fail("opcode without an action"); return;
  }
}

Result<Document> Machine::run() {
  auto bad = [&](const std::string &what) { return Error{name + ": offset " + std::to_string(opcodeAt) + ": " + what}; };
  if (bytes.size() < 2 || bytes[0] != '\x80') return bad("not a pickle of protocol 2 or later");
  if (auto protocol = static_cast<unsigned char>(bytes[1]); protocol < 2 || protocol > 5)
    return bad("pickle protocol " + std::to_string(protocol) + " is not supported (2 to 5 are)");
  at = 2;
  while (at < bytes.size()) {
    opcodeAt = at;
    auto opcode = static_cast<uint8_t>(bytes[at++]);
    if (!isAllowed(opcode)) {
      std::string_view known = opcodeName(opcode);
      return bad(known.empty() ? "byte " + std::to_string(opcode) + " is no opcode"
                               : "refuses the opcode " + std::string(known) + ", which no checkpoint of tensors needs");
    }
    if (opcode == '.') {
      if (stack.size() != 1 || !marks.empty()) return bad("ends with " + std::to_string(stack.size()) + " values on the stack instead of one");
      if (at != bytes.size()) return bad(std::to_string(bytes.size() - at) + " bytes after the end");
      document.root = stack.back();
      return std::move(document);
    }
    step(opcode);
    if (failure) return std::move(*failure);
  }
  opcodeAt = bytes.size();
  return bad("the pickle is cut off");
}

} // namespace

std::string_view opcodeName(uint8_t opcode) {
  const OpcodeRow *row = findOpcode(opcode);
  return row ? row->name : std::string_view();
}

bool isAllowed(uint8_t opcode) {
  static const std::array<bool, 256> table = [] {
    std::array<bool, 256> out{};
    for (const OpcodeRow &row : kOpcodes) out[static_cast<uint8_t>(row.byte)] = row.allowed;
    return out;
  }();
  return table[opcode];
}

Result<Document> read(std::string_view bytes, const std::string &name) { return Machine(bytes, name).run(); }

} // namespace triton::pickle
