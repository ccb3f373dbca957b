// Saves what is running and brings it back when a body ends.
#pragma once

#include "Evaluator.h"

namespace triton::sema {

class State {
public:
  explicit State(Evaluator &e)
      : e(e), scope(e.scope), frame(e.frame), running(e.running), env(e.env), bindingName(std::move(e.bindingName)) {
    e.bindingName.clear();
  }
  State(const State &) = delete;
  SourceFile *file() const { return frame ? frame->file : nullptr; }
  ~State() {
    e.scope = scope;
    e.frame = frame;
    e.running = running;
    e.env = env;
    e.bindingName = std::move(bindingName);
  }

private:
  Evaluator &e;
  Scope *scope;
  Frame *frame;
  Instance *running;
  AttrEnv env;
  std::string bindingName;
};

} // namespace triton::sema
