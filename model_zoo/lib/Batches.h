// Batches of a data set that a thread of their own reads ahead. No LLVM.
#pragma once

#include "DataSet.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace triton::zoo {

/// Some consecutive images.
struct Batch {
  size_t first = 0, count = 0;
  std::vector<uint8_t> images;
  std::vector<uint16_t> labels;
};

/// Reads a data set while what was read is being used. At most `ahead` batches wait, so memory does not depend on the size of the set.
class BatchReader {
public:
  /// Begins to read the first `limit` images (at most data.count). `data` must outlive the reader and is its thread's until then.
  BatchReader(DataSet &data, size_t batchSize, uint64_t limit, size_t ahead = 2);
  ~BatchReader();
  BatchReader(const BatchReader &) = delete;

  /// The next batch, which is the caller's; waits for it. After the last one a batch of count 0. An error comes once everything before
  /// it has been taken.
  Result<Batch> next();
  /// Gives a batch's memory back, to be filled again.
  void recycle(Batch batch);

private:
  void produce(size_t batchSize, uint64_t limit);

  DataSet &data;
  const size_t ahead;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Batch> ready, spare;
  std::optional<Error> error;
  bool finished = false, stopped = false;
  std::thread thread;
};

} // namespace triton::zoo
