// The library modules: every layer of section 8 instantiates, has PyTorch's keys and gives the shapes that it promises.
#include "triton/Parse/Parser.h"
#include "triton/Sema/Sema.h"

#include <gtest/gtest.h>

#include <sstream>

using namespace triton;

namespace {

struct Analysed {
  SourceManager sources;
  DiagnosticEngine diags{sources};
  TypedModule module;
  std::string text;

  explicit Analysed(std::string source) {
    FileId file = sources.addFile("net.tri", std::move(source));
    std::unique_ptr<ast::Program> program = parseFile(sources, file, diags);
    module = analyse(*program, sources, diags, {});
    std::ostringstream out;
    diags.print(out);
    text = out.str();
  }
  std::string keys(size_t model = 0) const {
    std::string list;
    for (const GraphParam &p : module.models.at(model).params)
      list += p.key + " " + (p.isWeight ? "Weight" : "Tensor") + shapeString(module.models[model].values[p.value].type.shape) + "\n";
    return list;
  }
};

TEST(Library, NnHasEveryLayerWithPyTorchKeys) {
  Analysed a(R"(
use std.nn
model All(x: Tensor[N, 3, 16, 16], y: Tensor[M, 7, 5], ids: Tensor[T, int32])
    -> (a: Tensor[N, 4], b: Tensor[M, 7, 5], c: Tensor[M, 7, 5], d: Tensor[T, 6], e: Tensor[N, 8]) {
    let conv = Conv2d(3, 8, [3, 5], stride=[1, 2], padding=[1, 2], dilation=1)
    let grouped = Conv2d(8, 8, 3, padding=1, groups=4, bias=false)
    let bn = BatchNorm2d(8, 1e-3)
    let tail = [MaxPool2d(2), AvgPool2d([2, 1], padding=[1, 0]), ReLU(), ReLU6(), Hardswish(), Hardsigmoid(), SiLU(), Sigmoid(),
                GELU(), Tanh(), Dropout(), Identity(), Flatten(), Linear(160, 4), Softmax()]
    let bn2 = BatchNorm1d(4)
    let bn1 = BatchNorm1d(7)
    let ln = LayerNorm(5)
    let rn = RMSNorm(5)
    let gap = GlobalAvgPool()
    let table = Embedding(9, 6)
    let z = grouped(bn(conv(x)))
    assert shape(z) == [N, 8, 16, 8]
    return bn2(tail(z)), ln(bn1(y)), rn(y), table(ids), gap(z)
}
)");
  ASSERT_EQ(a.text, "");
  ASSERT_EQ(a.module.models.size(), 1u);
  EXPECT_EQ(a.keys(), "conv.weight Weight[8, 3, 3, 5]\nconv.bias Tensor[8]\n"
                      "grouped.weight Weight[8, 2, 3, 3]\n"
                      "bn.weight Tensor[8]\nbn.bias Tensor[8]\nbn.running_mean Tensor[8]\nbn.running_var Tensor[8]\n"
                      "tail.13.weight Weight[4, 160]\ntail.13.bias Tensor[4]\n"
                      "bn2.weight Tensor[4]\nbn2.bias Tensor[4]\nbn2.running_mean Tensor[4]\nbn2.running_var Tensor[4]\n"
                      "bn1.weight Tensor[7]\nbn1.bias Tensor[7]\nbn1.running_mean Tensor[7]\nbn1.running_var Tensor[7]\n"
                      "ln.weight Tensor[5]\nln.bias Tensor[5]\nrn.weight Tensor[5]\ntable.weight Tensor[9, 6]\n");
}

TEST(Library, VisionBlocks) {
  Analysed a(R"(
use std.nn
use std.vision
@ternary
@acts(int8)
model Vision(image: Tensor[N, 3, 32, 32]) -> (logits: Tensor[N, 10]) {
    let stem = ConvBN(3, 16, 3, 2, act=Hardswish)
    let wide = ConvBN(16, 16, 5, groups=16, act=ReLU6)
    let se = SqueezeExcite(16, 4, gate=Hardsigmoid)
    let last = ConvBN(16, 16, 1, act=Identity)
    let head = Linear(16, 10)
    let x = stem(image)
    assert shape(x) == [N, 16, 16, 16]
    x = x + last(se(wide(x)))
    return head(global_avg_pool(x))
}
)");
  ASSERT_EQ(a.text, "");
  EXPECT_EQ(a.keys(), "stem.0.weight Weight[16, 3, 3, 3]\nstem.1.weight Tensor[16]\nstem.1.bias Tensor[16]\n"
                      "stem.1.running_mean Tensor[16]\nstem.1.running_var Tensor[16]\n"
                      "wide.0.weight Weight[16, 1, 5, 5]\nwide.1.weight Tensor[16]\nwide.1.bias Tensor[16]\n"
                      "wide.1.running_mean Tensor[16]\nwide.1.running_var Tensor[16]\n"
                      "se.fc1.weight Weight[4, 16, 1, 1]\nse.fc1.bias Tensor[4]\nse.fc2.weight Weight[16, 4, 1, 1]\nse.fc2.bias Tensor[16]\n"
                      "last.0.weight Weight[16, 16, 1, 1]\nlast.1.weight Tensor[16]\nlast.1.bias Tensor[16]\n"
                      "last.1.running_mean Tensor[16]\nlast.1.running_var Tensor[16]\n"
                      "head.weight Weight[10, 16]\nhead.bias Tensor[10]\n");
  Graph graph = a.module.models[0];
  planQuantisation(graph);
  std::string plan;
  for (const OpGroup &group : graph.groups) {
    for (uint32_t node : group.nodes) plan += std::string(opName(graph.nodes[node].op)) + " ";
    if (group.quantizer) plan += std::string(dtypeName(graph.quantizers[*group.quantizer].dtype)) + " " + *graph.quantizers[*group.quantizer].key;
    plan += "\n";
  }
  EXPECT_EQ(plan, "conv2d batch_norm hardswish int8 stem.2.act0.scale\n"
                  "conv2d batch_norm relu6 uint8 wide.2.act0.scale\n"
                  "global_avg_pool uint8 se.act0.scale\n"
                  "conv2d relu uint8 se.activation.act0.scale\n"
                  "conv2d hardsigmoid uint8 se.scale.act0.scale\n"
                  "mul int8 se.act1.scale\n"
                  "conv2d batch_norm add int8 act1.scale\n"
                  "global_avg_pool int8 act2.scale\n"
                  "linear \n");
}

TEST(Library, TransformerBlocks) {
  Analysed a(R"(
use std.nn
use std.llm
layer Block(d: int, heads: int, kv: int) {
    let attention_norm = RMSNorm(d)
    let attn = Attention(d, heads, kv)
    let ffn_norm = RMSNorm(d)
    let ffn = SwiGLU(d, 4 * d)
    fn forward(x: Tensor[B, T, d]) -> Tensor[B, T, d] {
        x = x + attn(attention_norm(x))
        return x + ffn(ffn_norm(x))
    }
}
@ternary(method=absmean)
@acts(int8, mode=dynamic, per=row)
model Llm(ids: Tensor[B, T, int32], k: Tensor[B, 2, S, 16], v: Tensor[B, 2, S, 16]) -> (logits: Tensor[B, T, 100]) {
    let embed = Embedding(100, 64)
    let block = Block(64, 4, 2)
    let cross = KvAttention(64, 4, 2, offset=7)
    let head = Linear(64, 100, bias=false)
    let x = block(embed(ids))
    return head(x + cross(x, k, v))
}
)");
  ASSERT_EQ(a.text, "");
  EXPECT_EQ(a.keys(), "embed.weight Tensor[100, 64]\nblock.attention_norm.weight Tensor[64]\n"
                      "block.attn.q_proj.weight Weight[64, 64]\nblock.attn.k_proj.weight Weight[32, 64]\n"
                      "block.attn.v_proj.weight Weight[32, 64]\nblock.attn.o_proj.weight Weight[64, 64]\n"
                      "block.ffn_norm.weight Tensor[64]\nblock.ffn.gate_proj.weight Weight[256, 64]\n"
                      "block.ffn.up_proj.weight Weight[256, 64]\nblock.ffn.down_proj.weight Weight[64, 256]\n"
                      "cross.q_proj.weight Weight[64, 64]\ncross.o_proj.weight Weight[64, 64]\nhead.weight Weight[100, 64]\n");
  Graph graph = a.module.models[0];
  planQuantisation(graph);
  // q, k and v share one input, so do gate and up: 6 in the block, 3 after it, less the shared ones.
  EXPECT_EQ(graph.quantizers.size(), 7u);
  for (const Quantizer &q : graph.quantizers) EXPECT_FALSE(q.key.has_value());
}

TEST(Library, MistakesAreReportedWhereTheLibraryIsCalled) {
  Analysed a("use std.nn\nmodel M(x: Tensor[N, 8]) -> (y: Tensor[N, 2]) {\n    let fc = Linear(9, 2)\n    return fc(x)\n}\n");
  EXPECT_EQ(a.text.substr(0, a.text.find(": ")), "net.tri:4:15") << a.text;
  EXPECT_TRUE(a.module.models.empty());
  Analysed b("use std.nn\nmodel M(x: Tensor[N, 6, 9, 9]) -> (y: Tensor) {\n    let c = Conv2d(6, 8, 3, groups=4)\n    return c(x)\n}\n");
  EXPECT_NE(b.text.find("net.tri:"), std::string::npos) << b.text;
  EXPECT_NE(b.text.find("TRI04"), std::string::npos) << b.text;
}

} // namespace
