// From product operations to the tiled generators: layouts to strides, weights to panels, constants to arrays.
#include "StepContext.h"

#include "../Generators/Lookup.h"
#include "../Generators/Ways.h"

#include "ternary/Constants.h"

#include "artifact/packing.h"

#include <cmath>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static QuantType quantOf(Value v) { return dyn_cast<QuantType>(tensorOf(v).getElementType()); }

namespace {

/// Constant arrays are padded to whole panels of any target, so that all variants share them.
constexpr int64_t kChannelPadding = 64;

int64_t groupChannels(int64_t outputs) { return (outputs + kChannelPadding - 1) / kChannelPadding * kChannelPadding; }

std::vector<int8_t> weightCodes(Value w) {
  auto codes = tritVector(w.getDefiningOp<ConstantOp>().getValue());
  return succeeded(codes) ? std::move(*codes) : std::vector<int8_t>();
}
std::string weightKey(Value w) {
  auto constant = w.getDefiningOp<ConstantOp>();
  return constant.getKey() ? constant.getKey()->str() : "weight";
}

/// Weights in canonical order, and where the panels go.
class Weights {
public:
  Weights(StepContext &c, Value w) : c(c), trits(isa<TritType>(tensorOf(w).getElementType())), key(weightKey(w)), codes(weightCodes(w)) {}

  /// Reorders `[o][from order]` so that element j of each output comes from `order(j)`.
  void permute(int64_t outputs, const std::function<int64_t(int64_t)> &order) {
    int64_t each = int64_t(codes.size()) / outputs;
    std::vector<uint32_t> from(each); // the order divides; once for all outputs
    bool moves = false;
    for (int64_t j = 0; j < each; ++j) {
      from[j] = uint32_t(order(j));
      moves |= from[j] != uint32_t(j);
    }
    if (!moves)
      return;
    std::vector<int8_t> result(codes.size());
    for (int64_t o = 0; o < outputs; ++o) {
      const int8_t *in = codes.data() + o * each;
      int8_t *out = result.data() + o * each;
      for (int64_t j = 0; j < each; ++j)
        out[j] = in[from[j]];
    }
    codes = std::move(result);
  }

  Val panels(int64_t o, int64_t ko, int64_t ki, int64_t nr, int64_t kr, Placement::Kind kind = Placement::Panels) {
    Placement p;
    p.kind = kind;
    p.o = uint32_t(o), p.ko = uint32_t(ko), p.ki = uint32_t(ki), p.nr = uint32_t(nr), p.kr = uint32_t(kr);
    int64_t group = kind == Placement::Panels2 ? 4 * kr : kr, taps = kind == Placement::Panels3 ? ko / 3 : ko;
    p.arenaBytes = uint64_t((o + nr - 1) / nr * taps * ((ki + group - 1) / group) * nr * kr);
    return place(p);
  }
  static Placement::Kind panelKind(bool twoBit) { return twoBit ? Placement::Panels2 : Placement::Panels; }

  /// Codes of the trits for look-ups.
  Val lookupCodes(int64_t o, int64_t ko, int64_t ki, const LookupChoice &choice) {
    Placement p;
    p.kind = Placement::Codes;
    p.o = uint32_t(o), p.ko = uint32_t(ko), p.ki = uint32_t(ki), p.nr = uint32_t(choice.bytes), p.kr = uint32_t(choice.trits);
    p.arenaBytes = uint64_t((o + choice.bytes - 1) / choice.bytes * ko * ((ki + choice.trits - 1) / choice.trits) * choice.bytes);
    return place(p);
  }

  /// The weights as code: where the addresses of its functions lie.
  Val adds(const tri_adds_layout &layout) {
    Placement p;
    p.kind = Placement::Adds;
    p.o = layout.o, p.ko = layout.ko, p.ki = layout.ki, p.nr = layout.pitch, p.kr = layout.plane, p.chunk = uint16_t(layout.chunk), p.vector = uint8_t(layout.vector);
    p.arenaBytes = tri_adds_functions(&layout) * sizeof(uint64_t);
    return place(p);
  }

  /// Gives a placement the weights' blob; the address of its place in the arena.
  Val place(Placement p) {
    if (trits) {
      std::vector<uint8_t> bytes(tri_t5_bytes(codes.size()));
      tri_pack_t5(codes.data(), codes.size(), bytes.data());
      p.blob = c.blobs.add(key, Blob::T5, codes.size(), std::move(bytes));
    } else {
      p.blob = c.blobs.add(key, Blob::Raw, codes.size(), std::vector<uint8_t>(codes.begin(), codes.end()));
    }
    return c.k.offset(c.weights, int64_t(c.variant.place(p)));
  }

  /// Gives each place the weights of output `channelAt(place)`; places without one get zeros.
  void rearrange(int64_t outputs, int64_t places, int64_t (*channelAt)(int64_t)) {
    int64_t each = int64_t(codes.size()) / outputs;
    std::vector<int8_t> result(places * each);
    for (int64_t place = 0; place < places; ++place)
      if (int64_t o = channelAt(place); o < outputs)
        std::copy_n(codes.begin() + o * each, each, result.begin() + place * each);
    codes = std::move(result);
  }

  /// -128 (or `factor`) * sum(w) of each output.
  Val biasedStart(int64_t outputs, int64_t factor = -128) {
    std::vector<int32_t> start(groupChannels(outputs));
    int64_t each = int64_t(codes.size()) / outputs;
    for (int64_t o = 0; o < outputs; ++o) {
      start[o] = int32_t(factor * sumOf(o, each, [](int8_t code) { return int32_t(code); }));
    }
    return c.table(key + ".start", start);
  }

  /// The greatest |sum| that inputs of at most `most` in magnitude can give.
  double sumBound(int64_t outputs, int64_t most) const {
    int64_t each = int64_t(codes.size()) / outputs, greatest = 0;
    for (int64_t o = 0; o < outputs; ++o)
      greatest = std::max(greatest, sumOf(o, each, [](int8_t code) { return int32_t(code < 0 ? -code : code); }));
    return double(greatest) * double(most);
  }

  StepContext &c;
  bool trits;
  std::string key;
  std::vector<int8_t> codes; ///< canonical [O][KO][KI]

private:
  /// The sum over the `each` codes of output o, in pieces whose 32-bit sums are vectors.
  template <typename F>
  int64_t sumOf(int64_t o, int64_t each, F value) const {
    constexpr int64_t kPiece = 1 << 20;
    int64_t total = 0;
    for (int64_t from = o * each, end = from + each; from < end; from += kPiece) {
      int32_t sum = 0;
      for (int64_t j = from, to = std::min(from + kPiece, end); j < to; ++j)
        sum += value(codes[j]);
      total += sum;
    }
    return total;
  }
};

/// The affine end of a fused product: what the generator needs to know, and its arrays.
struct End {
  Epilogue epilogue;
  Val m, b, scale, residual, scratch;
};

/// The greatest magnitude of a code.
int64_t mostOf(Value v) {
  QuantType q = quantOf(v);
  return q ? std::max<int64_t>(q.getHi(), -q.getLo()) : 1;
}

/// `sumBound`: of |acc|, see Weights::sumBound. `channelAt`: which channel's factors stand at a place, if not its own.
/// `groups`: the arrays of each begin at a whole vector, groupChannels(outputs / groups) apart.
template <typename Fused>
End endOf(StepContext &c, Fused op, int64_t outputs, const std::string &key, double sumBound, int64_t (*channelAt)(int64_t) = nullptr,
          int64_t groups = 1) {
  End end;
  double greatest[2] = {0, 0};
  auto padded = [&](ElementsAttr attr, const char *suffix) {
    std::vector<float> values = *floatVector(attr);
    for (float f : values) // a NaN makes the bound infinite
      greatest[suffix[1] == 'b'] = std::isnan(f) ? INFINITY : std::max(greatest[suffix[1] == 'b'], std::fabs(double(f)));
    float splat = values.size() == 1 ? values[0] : 0.0f;
    if (values.size() == 1)
      values.assign(outputs, splat);
    std::vector<float> padded;
    for (int64_t g = 0, each = outputs / groups; g < groups; ++g) {
      padded.insert(padded.end(), values.begin() + g * each, values.begin() + (g + 1) * each);
      padded.resize((g + 1) * groupChannels(each), 0.0f);
    }
    values = std::move(padded);
    if (channelAt) {
      std::vector<float> ordered;
      for (size_t i = 0; i < values.size(); ++i)
        ordered.push_back(values[size_t(channelAt(int64_t(i)))]);
      values = std::move(ordered);
    }
    return c.table(key + suffix, values);
  };
  end.m = padded(op.getM(), ".m");
  end.b = padded(op.getB(), ".b");
  if (QuantType q = quantOf(op.getResult())) {
    end.epilogue.out = Epilogue::Out::Codes;
    end.epilogue.lo = op.getLo().value_or(q.getLo());
    end.epilogue.hi = op.getHi().value_or(q.getHi());
  } else {
    end.epilogue.out = Epilogue::Out::Real;
  }
  if (op.getResidual()) {
    QuantType r = quantOf(op.getResidual());
    bool isTrit = isa<TritType>(tensorOf(op.getResidual()).getElementType());
    end.epilogue.residual = c.variant.layouts.of[op.getResidual()].excess ? Epilogue::Residual::Excess
                            : !r && !isTrit                               ? Epilogue::Residual::Real
                            : !r || r.isSigned()                          ? Epilogue::Residual::Signed
                                                                          : Epilogue::Residual::Unsigned;
    end.epilogue.residualM = op.getResidualM()->convertToFloat();
  }
  end.epilogue.excess = c.variant.layouts.of[op.getResult()].excess;
  double residual = op.getResidual() ? 255.0 * std::fabs(double(end.epilogue.residualM)) : 0.0;
  end.epilogue.bounded = !op.getScale() && end.epilogue.residual != Epilogue::Residual::Real &&
                         greatest[0] * sumBound + greatest[1] + residual < 0x1p30;
  if (Value s = op.getScale()) {
    end.epilogue.scale = tensorOf(s).getRank() == 0 ? Epilogue::Scale::PerTensor : Epilogue::Scale::PerRow;
    end.scale = c.view(s).base;
  }
  return end;
}

template <typename Fused>
End productEnd(StepContext &c, Fused op) {
  Weights weights(c, op.getW());
  int64_t outputs = tensorOf(op.getW()).getDimSize(0);
  return endOf(c, op, outputs, weights.key, weights.sumBound(outputs, mostOf(op.getX())));
}

const char *dotName(DotKind kind) {
  switch (kind) {
  case DotKind::Dpbusd: return "vpdpbusd";
  case DotKind::MaddUbs: return "vpmaddubsw, 16-bit sums of up to 64 steps";
  case DotKind::MaddWd: return "pmaddwd on 16-bit products";
  case DotKind::MulLong: return "smlal on widened bytes";
  }
  return "";
}

bool isUnsignedValue(Value v) {
  QuantType q = quantOf(v);
  return q && !q.isSigned();
}
/// True if all codes of a value are -1, 0 or 1.
bool isTernary(Value v) {
  QuantType q = quantOf(v);
  return q ? q.isSigned() && q.getLo() >= -1 && q.getHi() <= 1 : isa<TritType>(tensorOf(v).getElementType());
}
PlaneStrides planeOf(const Layout &l) { return {l.strides[0], l.strides[2], l.strides[3]}; }

std::string actName(Value x) {
  QuantType q = quantOf(x);
  return q ? stringifyEnum(q.getKind()).str() : "t";
}

/// The way that is taken of several, the cost model's first.
template <typename Way>
Way takeWay(StepContext &c, const std::string &recipe, const std::vector<Way> &ways) {
  if (ways.size() < 2)
    return ways[0];
  std::vector<std::string> names;
  for (const Way &way : ways)
    names.push_back(way.name());
  return ways[c.chooseWay(recipe, std::move(names))];
}

void callProduct(StepContext &c, const std::string &function, Val x, Val weights, Val start, const End &end, Val residual, Val out, Val rows) {
  Val null = c.weights; // a pointer that is never read
  auto orNull = [&](Val v) { return v ? v : null; };
  c.k.call(function, {x, weights, orNull(start), orNull(end.m), orNull(end.b), orNull(end.scale), orNull(residual), out, rows, c.part, c.parts,
                      c.threads, orNull(end.scratch)});
}

/// Functions shared by several steps are written before the step that calls them first.
class Detached {
public:
  explicit Detached(KernelBuilder &k) : guard(k.builder()) {}

private:
  OpBuilder::InsertionGuard guard;
};

LayerChoice describe(const std::string &layer, const std::string &algorithm, const TileChoice &tile, bool trits, bool biased,
                     const std::string &more, const char *dot = nullptr, bool taps = false) {
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = algorithm + " " + tile.name();
  choice.packing = std::string(trits ? "t5 on disk, " : "i8 on disk, ") + (taps ? "t3" : tile.dot.twoBit ? "t2" : "i8") + " panels " + std::to_string(tile.dot.nr()) + "x" + std::to_string(tile.dot.kr());
  choice.reason = std::string(dot ? dot : dotName(tile.dot.kind)) + (biased ? ", codes + 128 with corrected sums" : "") + more;
  return choice;
}

/// A product of trits by trits from a table. `form`: "convolution" or "GEMM".
LayerChoice describeLookup(const std::string &layer, const LookupChoice &lookup, const char *form) {
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = std::string(form) + " by look-up " + lookup.name();
  choice.packing = "t5 on disk, codes of " + std::to_string(lookup.trits) + " trits by " + std::to_string(lookup.bytes) + " outputs";
  choice.reason = "trits by trits, " + std::to_string(lookup.trits * lookup.bytes) + " products a look-up";
  return choice;
}

/// What FusedConv2dOp and Conv2dOp have in common, without the affine end.
template <typename Conv>
ConvShape convShape(StepContext &c, Conv op) {
  const Layout &x = c.variant.layouts.of[op.getX()], &out = c.variant.layouts.of[op.getResult()];
  auto w = tensorOf(op.getW()).getShape();
  ConvShape shape;
  shape.channels = w[1];
  shape.outputs = shape.storedChannels = w[0];
  shape.kernelH = w[2], shape.kernelW = w[3];
  shape.strideH = op.getStride()[0], shape.strideW = op.getStride()[1];
  shape.dilationH = op.getDilation()[0], shape.dilationW = op.getDilation()[1];
  shape.outH = out.shape[2], shape.outW = out.shape[3];
  shape.x = planeOf(x);
  shape.out = planeOf(out);
  shape.haloH = out.haloH, shape.haloW = out.haloW;
  // Channels lie without gaps, so the taps of a row are one run of bytes.
  shape.rowRuns = shape.dilationW == 1;
  return shape;
}

template <typename Conv>
std::optional<LayerChoice> lowerConv(StepContext &c, Conv op, const End &end, const std::string &layer) {
  const Layout &x = c.variant.layouts.of[op.getX()], &out = c.variant.layouts.of[op.getResult()];
  auto padding = op.getPadding();
  if (!x.channelsLast || !out.channelsLast || x.haloH < padding[0] || x.haloW < padding[1])
    return std::nullopt;
  ConvShape shape = convShape(c, op);
  Weights weights(c, op.getW());
  int64_t kh = shape.kernelH, kw = shape.kernelW, channels = shape.channels;
  // [O][C][R][S] to [O][R][S][C].
  weights.permute(shape.outputs, [&](int64_t j) {
    int64_t tap = j / channels, ch = j % channels;
    return ch * kh * kw + tap;
  });
  TileChoice tile = chooseTile(c.k.target(), weights.trits, isUnsignedValue(op.getX()), shape.outputs, shape.outW, x.excess,
                               wideRowsPay(c.k.target(), shape), kh * kw * channels);
  int64_t batch = x.isDynamic() ? 1 : x.shape[0];
  std::vector<WinogradChoice> forms;
  bool onlyBytes = c.convolutions == ConvAlgorithm::WinogradBytes, onlyRows = c.convolutions == ConvAlgorithm::WinogradRows;
  bool onlyOne = c.convolutions == ConvAlgorithm::WinogradWords || onlyBytes || onlyRows;
  if (c.convolutions != ConvAlgorithm::Direct)
    forms = winogradChoices(c.k.target(), shape, tile, {weights.trits, isUnsignedValue(op.getX()), x.excess, mostOf(op.getX()), weights.sumBound(shape.outputs, 255)},
                            batch);
  if (onlyOne)
    llvm::erase_if(forms, [&](const WinogradChoice &choice) { return choice.rows != onlyRows || choice.form().bytes() != (onlyBytes || onlyRows); });
  std::optional<WinogradChoice> winograd;
  if (!forms.empty())
    winograd = forms[0];
  bool transforms = winograd && (winograd->pays() || onlyOne);
  std::optional<TileChoice> twoBit = twoBitTile(c.k.target(), shape, tile, weights.trits);
  // Where memory is to be saved, two bits may take a little longer.
  bool packs = twoBit && twoBitPays(c.k.target(), shape, tile, *twoBit, batch, c.allWeights, c.wholeCodeBudget == 0 ? 1.1 : 1.0);
  // Both bring less to unpack in registers than bytes, and fetch it ahead: their instructions decide.
  if (auto rows = llvm::find_if(forms, [](const WinogradChoice &choice) { return choice.rows; });
      packs && !transforms && rows != forms.end() && rows->cost < directTime(c.k.target(), shape, *twoBit, batch, 0))
    winograd = *rows, transforms = true;
  std::optional<LookupChoice> lookup;
  if (weights.trits && isTernary(op.getX()) && (c.convolutions == ConvAlgorithm::Cheapest || c.convolutions == ConvAlgorithm::Lookup))
    lookup = chooseLookup(c.k.target(), shape, tile, batch);
  bool looksUp = lookup && (c.convolutions == ConvAlgorithm::Lookup || (lookup->pays() && (!transforms || lookup->cost < winograd->cost)));
  transforms = transforms && !looksUp;
  std::optional<AddsChoice> adds;
  if (weights.trits && (c.convolutions == ConvAlgorithm::Cheapest || c.convolutions == ConvAlgorithm::Adds))
    adds = chooseAdds(c.k.target(), shape, tile, end.epilogue, weights.codes.data(), batch);
  bool codes = adds && (c.convolutions == ConvAlgorithm::Adds ||
                        adds->cost < (looksUp ? lookup->cost : transforms ? winograd->cost : directInstructions(c.k.target(), shape, tile, batch)));
  if (c.chooseWay && c.convolutions == ConvAlgorithm::Cheapest && !looksUp) {
    // Which ways there are must not depend on what other layers take, so here counts the whole budget.
    ConvProblem problem{shape, end.epilogue, batch, weights.trits, isUnsignedValue(op.getX()), x.excess, forms, &weights.codes};
    ConvWay model{ConvWay::Kind::Direct, tile, winograd, {}, twoBit};
    if (adds && adds->codeBytes <= c.wholeCodeBudget)
      model.adds = adds;
    model.kind = codes && model.adds ? ConvWay::Kind::Adds : transforms ? ConvWay::Kind::Winograd : packs ? ConvWay::Kind::TwoBit : ConvWay::Kind::Direct;
    std::vector<ConvWay> ways = convWays(c.k.target(), problem, model);
    ConvWay way = takeWay(c, recipeOf(problem, ways), ways);
    tile = way.tile, codes = way.kind == ConvWay::Kind::Adds;
    if (!codes)
      transforms = way.kind == ConvWay::Kind::Winograd, packs = way.kind == ConvWay::Kind::TwoBit;
    if (way.kind == ConvWay::Kind::Winograd)
      winograd = way.winograd;
  }
  bool tooLong = codes && adds->codeBytes > c.codeBudget;
  codes = codes && !tooLong;
  if (codes)
    c.codeBudget -= adds->codeBytes;
  transforms = transforms && !codes;
  looksUp = looksUp && !codes;
  if (packs && !codes && !transforms && !looksUp)
    tile = *twoBit;
  Reduction reduction = convReduction(shape, tile.dot);
  Val panels = codes           ? weights.adds(adds->layout)
               : looksUp       ? weights.lookupCodes(shape.outputs, kh * kw, channels, *lookup)
               : transforms    ? weights.panels(shape.outputs, kh * kw, channels, winograd->tile.dot.nr(), winograd->tile.dot.kr(),
                                               winograd->taps ? Placement::Panels3 : Placement::Panels)
               : shape.rowRuns ? weights.panels(shape.outputs, kh, kw * channels, tile.dot.nr(), tile.dot.kr(), Weights::panelKind(tile.dot.twoBit))
                               : weights.panels(shape.outputs, kh * kw, channels, tile.dot.nr(), tile.dot.kr(), Weights::panelKind(tile.dot.twoBit));
  bool byRows = transforms && winograd->rows, onBytes = transforms && winograd->form().bytes(), corrects = transforms || codes ? x.excess && !onBytes : tile.dot.biased();
  Val start = looksUp ? c.table("lookup", lookupTable(lookup->trits))
              : byRows  ? c.table(weights.key + ".edges", winogradRowsStarts(weights.codes, shape.outputs, winogradPlaces(shape.outputs), isUnsignedValue(op.getX())))
              : onBytes ? c.table(weights.key + ".corners", winogradStarts(weights.codes, shape.outputs, winogradPlaces(shape.outputs), isUnsignedValue(op.getX())))
              : corrects ? weights.biasedStart(shape.outputs)
                         : Val();
  Val residual;
  End at = end;
  if (codes)
    at.scratch = c.scratch(addsScratch(shape, *adds, end.epilogue));
  else if (int64_t bytes = looksUp ? lookupScratch(shape, *lookup) : transforms ? winogradScratch(shape, *winograd) : convScratch(shape, tile))
    at.scratch = c.scratch(bytes);
  if constexpr (std::is_same_v<Conv, FusedConv2dOp>)
    if (op.getResidual()) {
      View r = c.view(op.getResidual());
      if (!r.layout.channelsLast)
        return std::nullopt;
      shape.residual = planeOf(r.layout);
      residual = r.base;
    }
  View xv = c.view(op.getX()), ov = c.view(op.getResult());
  Val first = c.k.offset(xv.base, -padding[0] * shape.x.row - padding[1] * shape.x.pixel);
  std::string label = "conv" + std::to_string(kh) + "x" + std::to_string(kw) + "_" + actName(op.getX()) + (tile.dot.twoBit ? "_t2" : weights.trits ? "_t" : "_w8");
  std::string function;
  {
    Detached detached(c.k);
    function = codes        ? emitAdds(c.k, "adds" + label.substr(4), shape, *adds, isUnsignedValue(op.getX()), x.excess, end.epilogue)
               : looksUp    ? emitLookupConv(c.k, "lookup" + label.substr(4), shape, *lookup, end.epilogue)
               : transforms ? emitWinograd(c.k, "winograd" + label.substr(4), shape, *winograd, end.epilogue)
                            : emitConv(c.k, label, shape, tile, end.epilogue);
  }
  c.divides = !looksUp; // codes of trits are made by every part
  callProduct(c, function, first, panels, start, at, residual, ov.base, x.isDynamic() ? c.batch : c.k.index(x.shape[0]));
  std::string costs;
  if (winograd || adds || lookup) {
    char text[64];
    auto million = [&](double instructions, const char *how) {
      snprintf(text, sizeof text, "%.2f M %s", instructions / 1e6, how);
      costs += (costs.empty() ? "; estimated vector instructions: " : ", ") + std::string(text);
    };
    for (const WinogradChoice &form : forms)
      million(form.cost, ("by " + form.name()).c_str());
    if (adds)
      million(adds->cost, "as code");
    if (lookup)
      million(lookup->cost, "by look-up");
    million(directInstructions(c.k.target(), shape, tile, batch), "directly");
    if (tooLong)
      costs += "; the code does not fit the budget";
  }
  if (codes) {
    c.work = adds->cost / adds->directCost;
    LayerChoice choice;
    choice.layer = layer;
    choice.algorithm = "weights as code";
    choice.packing = "t5 on disk, code when loaded";
    char text[64];
    snprintf(text, sizeof text, "vpaddw on planes; about %.2f MB of code", double(adds->codeBytes) / 1e6);
    choice.reason = text + costs;
    return choice;
  }
  if (looksUp) {
    c.work = lookup->cost / lookup->directCost;
    LayerChoice choice = describeLookup(layer, *lookup, "convolution");
    choice.reason += costs;
    return choice;
  }
  if (transforms) {
    c.work = winograd->cost / winograd->directCost;
    return describe(layer, winograd->name(), winograd->tile, weights.trits, corrects, "; weights are transformed at run time" + costs,
                    byRows ? "vpdpbusd on sums of two codes" : onBytes ? "vpdpbusd on sums of four codes" : c.k.target().hasVnni ? "vpdpwssd" : "vpmaddwd on 16-bit words", winograd->taps);
  }
  return describe(layer, tile.dot.twoBit ? "direct convolution, two bits" : "direct convolution", tile, weights.trits, tile.dot.biased(),
                  "; " + std::to_string(shape.outW) + " pixels a row in tiles of " + std::to_string(tile.positions) +
                      (reduction.levels.empty() ? "" : ", taps of a row as one run") + (tile.dot.wide ? ", rows widened first" : "") +
                      (tile.dot.twoBit ? ", weights unpacked for each" : "") + costs);
}

/// More groups than this join: each is a call of its own.
constexpr int64_t kMostGroups = 64;

/// Group by group on the tiled generator: a group's channels are a part of each pixel.
template <typename Conv>
std::optional<LayerChoice> lowerGroupedConv(StepContext &c, Conv op, const std::string &layer) {
  KernelBuilder &k = c.k;
  const Layout &x = c.variant.layouts.of[op.getX()], &out = c.variant.layouts.of[op.getResult()];
  auto padding = op.getPadding();
  if (!x.channelsLast || !out.channelsLast || x.haloH < padding[0] || x.haloW < padding[1])
    return std::nullopt;
  constexpr bool isFused = std::is_same_v<Conv, FusedConv2dOp>;
  View residual;
  if constexpr (isFused) {
    if (op.getScale() && tensorOf(op.getScale()).getRank() != 0)
      return std::nullopt;
    if (op.getResidual()) {
      residual = c.view(op.getResidual());
      if (!residual.layout.channelsLast)
        return std::nullopt;
    }
  }
  ConvShape shape = convShape(c, op);
  int64_t groups = int64_t(op.getGroups()), channels = shape.channels, all = shape.outputs, taps = shape.kernelH * shape.kernelW, join = 1;
  while (groups % join != 0 || groups / join > kMostGroups)
    ++join;
  groups /= join;
  shape.channels = channels * join;
  shape.outputs = shape.storedChannels = all / groups;
  shape.rowRuns = false;             // the taps of a row have other groups between them
  shape.haloH = shape.haloW = 0;     // once for all groups, below
  if (residual.base)
    shape.residual = planeOf(residual.layout);

  Weights weights(c, op.getW());
  double bound = weights.sumBound(all, mostOf(op.getX()));
  // [O][C][R][S] to [O][R][S][C], with zeros for the channels of the groups that joined.
  std::vector<int8_t> codes(all * taps * shape.channels);
  for (int64_t o = 0; o < all; ++o)
    for (int64_t ch = 0; ch < channels; ++ch)
      for (int64_t tap = 0; tap < taps; ++tap)
        codes[(o * taps + tap) * shape.channels + o / (all / groups / join) % join * channels + ch] = weights.codes[(o * channels + ch) * taps + tap];

  End end;
  end.epilogue.out = Epilogue::Out::Sums;
  if constexpr (isFused)
    end = endOf(c, op, all, weights.key, bound, nullptr, groups);
  TileChoice tile = chooseTile(k.target(), weights.trits, isUnsignedValue(op.getX()), shape.outputs, shape.outW, x.excess);
  // The few steps of a tap are written out, and LLVM loads the weights of all of them first: they need registers beside the sums.
  int64_t registers = k.target().vectorRegisters, held = (shape.channels + tile.dot.kr() - 1) / tile.dot.kr() * tile.dot.vectors;
  if (tile.dot.kind == DotKind::Dpbusd && held <= registers / 2) {
    int64_t most = std::max<int64_t>(1, (registers - 2 - held) / tile.dot.vectors), tiles = (shape.outW + most - 1) / most;
    tile.positions = std::min(tile.positions, (shape.outW + tiles - 1) / tiles);
  }
  Val first = k.offset(c.view(op.getX()).base, -padding[0] * shape.x.row - padding[1] * shape.x.pixel), to = c.view(op.getResult()).base;
  Val batch = x.isDynamic() ? c.batch : k.index(x.shape[0]);
  std::string function;
  {
    Detached detached(k);
    function = emitConv(k, "group" + std::to_string(shape.kernelH) + "x" + std::to_string(shape.kernelW) + "_" + actName(op.getX()) + (weights.trits ? "_t" : "_w8"),
                        shape, tile, end.epilogue);
  }
  c.divides = true;
  int64_t each = taps * shape.channels * shape.outputs;
  for (int64_t g = 0; g < groups; ++g) {
    Weights own = weights;
    own.codes.assign(codes.begin() + g * each, codes.begin() + (g + 1) * each);
    own.key += ".group" + std::to_string(g);
    Val panels = own.panels(shape.outputs, taps, shape.channels, tile.dot.nr(), tile.dot.kr());
    Val start = tile.dot.biased() ? own.biasedStart(shape.outputs) : Val();
    End at = end;
    auto advance = [&](Val pointer, int64_t bytes) { return pointer ? k.offset(pointer, g * bytes) : pointer; };
    at.m = advance(end.m, groupChannels(shape.outputs) * 4);
    at.b = advance(end.b, groupChannels(shape.outputs) * 4);
    callProduct(c, function, advance(first, shape.channels), panels, start, at,
                advance(residual.base, shape.outputs * elemBytes(residual.layout.elem)), advance(to, shape.outputs * elemBytes(out.elem)), batch);
  }
  emitZeroHalo(k, to, shape.out, shape.outH, shape.outW, shape.out.pixel, out.haloH, out.haloW, batch, c.part, c.parts,
               end.epilogue.excess ? -128 : 0);
  return describe(layer, "grouped convolution", tile, weights.trits, tile.dot.biased(),
                  "; " + std::to_string(groups) + " groups of " + std::to_string(shape.channels) + " channels" +
                      (join > 1 ? ", " + std::to_string(join) + " of the layer's joined in each" : ""));
}

template <typename Linear>
std::optional<LayerChoice> lowerLinear(StepContext &c, Linear op, const End &end, const std::string &layer) {
  KernelBuilder &k = c.k;
  const Layout &out = c.variant.layouts.of[op.getResult()];
  auto w = tensorOf(op.getW()).getShape();
  Weights weights(c, op.getW());
  TileChoice tile = chooseTile(k.target(), weights.trits, isUnsignedValue(op.getX()), w[0], 0, c.variant.layouts.of[op.getX()].excess);
  LinearShape shape;
  shape.inputs = w[1];
  shape.outputs = shape.storedChannels = w[0];
  shape.streams = weightsStream(c.allWeights);
  auto steps = [&](int64_t bytes) { return (bytes + tile.dot.kr() - 1) / tile.dot.kr(); };
  int64_t ko = 1, ki = w[1];
  std::string more;
  Val x;
  if (auto it = c.variant.layouts.permuted.find(op.getX()); it != c.variant.layouts.permuted.end()) {
    // The image as it lies: (h, w, c) instead of (c, h, w), rows of it as runs.
    Value source = it->second.source;
    const Layout &image = c.variant.layouts.of[source];
    int64_t channels = image.shape[1], height = image.shape[2], width = image.shape[3];
    weights.permute(w[0], [&](int64_t j) {
      int64_t ch = j % channels, place = j / channels;
      return ch * height * width + place;
    });
    bool gapless = image.haloH == 0 && image.haloW == 0;
    if (gapless) {
      shape.reduction.steps = steps(w[1]);
    } else {
      ko = height, ki = width * channels;
      shape.reduction.levels.push_back({height, image.strides[2]});
      shape.reduction.steps = steps(ki);
    }
    shape.xRow = image.strides[0];
    x = c.view(source).base;
    more = ", weights in the order of the image in memory";
  } else {
    View xv = c.view(op.getX());
    if (!xv.layout.isDense())
      return std::nullopt;
    shape.reduction.steps = steps(w[1]);
    shape.xRow = w[1];
    x = xv.base;
  }
  if (!out.isDense())
    return std::nullopt;
  shape.outRow = w[0] * elemBytes(out.elem);
  Val residual;
  if constexpr (std::is_same_v<Linear, FusedLinearOp>)
    if (op.getResidual()) {
      View r = c.view(op.getResidual());
      if (!r.layout.isDense())
        return std::nullopt;
      shape.residualRow = w[0] * elemBytes(r.layout.elem);
      residual = r.base;
    }
  int64_t rowsPerUnit = out.unitElements() / w[0];
  Val rows = out.isDynamic() ? c.batch * k.index(rowsPerUnit) : k.index(rowsPerUnit);
  if (!out.isDynamic()) {
    shape.rows = rowsPerUnit;
    tile.positions = std::min(tile.positions, rowsPerUnit);
  }
  std::optional<LookupChoice> lookup;
  if (weights.trits && isTernary(op.getX()) && (c.convolutions == ConvAlgorithm::Cheapest || c.convolutions == ConvAlgorithm::Lookup))
    lookup = chooseLookup(k.target(), shape, tile);
  if (lookup && c.convolutions == ConvAlgorithm::Cheapest && !lookup->pays())
    lookup.reset();
  LinearWay way{tile, !lookup && twoBitTakes(k.target(), shape, weights.trits)};
  if (c.chooseWay && !lookup) {
    LinearProblem problem{shape, end.epilogue, rowsPerUnit, out.isDynamic(), weights.trits};
    way = takeWay(c, recipeOf(problem, tile), linearWays(k.target(), problem, way));
  }
  tile = way.tile, shape.twoBit = way.twoBit;
  Val panels = lookup ? weights.lookupCodes(w[0], ko, ki, *lookup) : weights.panels(w[0], ko, ki, tile.dot.nr(), tile.dot.kr(), Weights::panelKind(shape.twoBit));
  Val start = lookup ? c.table("lookup", lookupTable(lookup->trits)) : tile.dot.biased() ? weights.biasedStart(w[0]) : shape.twoBit ? weights.biasedStart(w[0], 128) : Val();
  End at = end;
  if (shape.twoBit)
    at.scratch = c.scratch(twoBitScratch(k.target(), shape));
  if (lookup)
    at.scratch = c.scratch(lookupScratch(shape, *lookup));
  std::string label = "linear_" + actName(op.getX()) + (weights.trits ? "_t" : "_w8");
  std::string function;
  {
    Detached detached(k);
    function = lookup ? emitLookupLinear(k, "lookup_" + label, shape, *lookup, end.epilogue) : emitLinear(k, label, shape, tile, end.epilogue);
  }
  c.divides = !lookup;
  callProduct(c, function, x, panels, start, at, residual, c.view(op.getResult()).base, rows);
  if (lookup) {
    c.work = lookup->cost / lookup->directCost;
    LayerChoice choice = describeLookup(layer, *lookup, "GEMM");
    char text[96];
    snprintf(text, sizeof text, "; estimated vector instructions of a row: %.3f M by look-up, %.3f M directly", lookup->cost / 1e6, lookup->directCost / 1e6);
    choice.reason += text + more;
    return choice;
  }
  if (shape.twoBit && twoBitTakes(k.target(), shape, weights.trits))
    more += "; as bytes the weights would not fit the first-level cache";
  LayerChoice choice = describe(layer, "GEMM, GEMV for single rows", tile, weights.trits, tile.dot.biased(), more);
  if (shape.twoBit) {
    choice.algorithm = "GEMM, GEMV for single rows " + twoBitTileName(shape, tile);
    choice.packing = "t5 on disk, t2 panels " + std::to_string(tile.dot.nr()) + "x" + std::to_string(tile.dot.kr());
  }
  return choice;
}

LayerChoice lowerDepthwiseDot(StepContext &c, FusedConv2dOp op, const DepthwiseShape &shape, Weights &weights, double bound,
                              const std::string &layer) {
  const ConvShape &conv = shape.conv;
  const Layout &x = c.variant.layouts.of[op.getX()];
  int64_t kh = conv.kernelH, kw = conv.kernelW;
  int64_t places = (conv.outputs + kDepthwiseDotChannels - 1) / kDepthwiseDotChannels * kDepthwiseDotChannels;
  End end = endOf(c, op, conv.outputs, weights.key, bound, depthwiseDotChannel);
  // [C][R][S] to [place][S][R].
  weights.permute(conv.outputs, [&](int64_t j) { return j % kh * kw + j / kh; });
  weights.rearrange(conv.outputs, places, depthwiseDotChannel);
  Val panels = weights.panels(places, kw, kh, 16, 4);
  Val start = shape.actUnsigned ? Val() : weights.biasedStart(places);
  end.scratch = c.scratch(depthwiseDotScratch(shape));
  Val first = c.k.offset(c.view(op.getX()).base, -op.getPadding()[0] * conv.x.row - op.getPadding()[1] * conv.x.pixel);
  Val out = c.view(op.getResult()).base;
  std::string function;
  {
    Detached detached(c.k);
    function = emitDepthwiseDot(c.k, "depthwise" + std::to_string(kh) + "x" + std::to_string(kw), shape, end.epilogue);
  }
  c.divides = true;
  callProduct(c, function, first, panels, start, end, {}, out, x.isDynamic() ? c.batch : c.k.index(x.shape[0]));
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = "depthwise convolution on rows side by side";
  choice.packing = std::string(weights.trits ? "t5" : "i8") + " on disk, i8 columns of the window by 64 channels";
  choice.reason = std::string("vpdpbusd: four rows of a channel make one lane") + (shape.actUnsigned ? "" : ", codes + 128 with corrected sums");
  return choice;
}

std::optional<LayerChoice> lowerDepthwise(StepContext &c, FusedConv2dOp op, const std::string &layer) {
  const Layout &x = c.variant.layouts.of[op.getX()], &out = c.variant.layouts.of[op.getResult()];
  auto padding = op.getPadding();
  if (!x.channelsLast || !out.channelsLast || x.haloH < padding[0] || x.haloW < padding[1])
    return std::nullopt;
  DepthwiseShape shape;
  shape.conv = convShape(c, op);
  shape.conv.channels = shape.conv.outputs;
  shape.actUnsigned = isUnsignedValue(op.getX());
  Weights weights(c, op.getW());
  shape.trits = weights.trits;
  int64_t taps = shape.conv.kernelH * shape.conv.kernelW;
  shape.sumBound = mostOf(op.getX()) * taps * (weights.trits ? 1 : 127);
  double bound = weights.sumBound(shape.conv.outputs, mostOf(op.getX()));
  End end = endOf(c, op, shape.conv.outputs, weights.key, bound);
  bool byRows = depthwiseDotTakes(c.k.target(), shape, end.epilogue);
  if (byRows && c.chooseWay)
    byRows = c.chooseWay(recipeOf(shape, end.epilogue, x.isDynamic() ? 1 : x.shape[0]), {"rows side by side", "lanes are channels"}) == 0;
  if (byRows)
    return lowerDepthwiseDot(c, op, shape, weights, bound, layer);
  Val residual;
  if (op.getResidual()) {
    View r = c.view(op.getResidual());
    if (!r.layout.channelsLast)
      return std::nullopt;
    shape.conv.residual = planeOf(r.layout);
    residual = r.base;
  }
  Val panels = weights.panels(shape.conv.outputs, taps, 1, kDepthwiseLanes, 1);
  View xv = c.view(op.getX());
  Val first = c.k.offset(xv.base, -padding[0] * shape.conv.x.row - padding[1] * shape.conv.x.pixel);
  std::string label = "depthwise" + std::to_string(shape.conv.kernelH) + "x" + std::to_string(shape.conv.kernelW) + "_" + actName(op.getX()) +
                      (weights.trits ? "_t" : "_w8");
  std::string function;
  {
    Detached detached(c.k);
    function = emitDepthwise(c.k, label, shape, end.epilogue);
  }
  c.divides = true;
  callProduct(c, function, first, panels, {}, end, residual, c.view(op.getResult()).base, x.isDynamic() ? c.batch : c.k.index(x.shape[0]));
  LayerChoice choice;
  choice.layer = layer;
  choice.algorithm = "depthwise convolution";
  choice.packing = std::string(weights.trits ? "t5" : "i8") + " on disk, i8 taps by " + std::to_string(kDepthwiseLanes) + " channels";
  choice.reason = shape.sumBound <= 32767 ? "lanes are channels; sums fit 16 bits" : "lanes are channels; 32-bit sums";
  return choice;
}

} // namespace

std::optional<LayerChoice> lowerTiledProduct(StepContext &c, Operation *op, const std::string &layer) {
  End sums;
  sums.epilogue.out = Epilogue::Out::Sums;
  if (isDepthwiseConv(op))
    return lowerDepthwise(c, cast<FusedConv2dOp>(op), layer);
  if (isTiledConv(op)) {
    if (auto conv = dyn_cast<Conv2dOp>(op))
      return lowerConv(c, conv, sums, layer);
    auto conv = cast<FusedConv2dOp>(op);
    if (conv.getScale() && tensorOf(conv.getScale()).getRank() != 0)
      return std::nullopt;
    return lowerConv(c, conv, productEnd(c, conv), layer);
  }
  if (isGroupedConv(op)) {
    if (auto conv = dyn_cast<Conv2dOp>(op))
      return lowerGroupedConv(c, conv, layer);
    return lowerGroupedConv(c, cast<FusedConv2dOp>(op), layer);
  }
  if (isTiledLinear(op)) {
    if (auto linear = dyn_cast<LinearOp>(op))
      return lowerLinear(c, linear, sums, layer);
    auto linear = cast<FusedLinearOp>(op);
    return lowerLinear(c, linear, productEnd(c, linear), layer);
  }
  return std::nullopt;
}

} // namespace triton
