// One producer, one consumer; full batches wait in `ready`, used ones in `spare`.
#include "Batches.h"

#include <algorithm>

namespace triton::zoo {

BatchReader::BatchReader(DataSet &data, size_t batchSize, uint64_t limit, size_t ahead) : data(data), ahead(ahead) {
  thread = std::thread([=, this] { produce(batchSize, limit); });
}

BatchReader::~BatchReader() {
  {
    std::lock_guard lock(mutex);
    stopped = true;
  }
  changed.notify_all();
  thread.join();
}

void BatchReader::produce(size_t batchSize, uint64_t limit) {
  for (uint64_t first = 0; first < limit; first += batchSize) {
    Batch batch;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stopped || ready.size() < ahead; });
      if (stopped) return;
      if (!spare.empty()) {
        batch = std::move(spare.front());
        spare.pop_front();
      }
    }
    batch.first = first;
    batch.count = std::min<uint64_t>(batchSize, limit - first);
    batch.images.resize(batch.count * data.imageBytes());
    batch.labels.resize(batch.count);
    Result<void> got = data.read(batch.count, batch.images.data(), batch.labels.data());
    std::lock_guard lock(mutex);
    if (!got)
      error = got.takeError();
    else
      ready.push_back(std::move(batch));
    changed.notify_all();
    if (error) break;
  }
  std::lock_guard lock(mutex);
  finished = true;
  changed.notify_all();
}

Result<Batch> BatchReader::next() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return finished || !ready.empty(); });
  if (ready.empty()) {
    if (error) return *error;
    return Batch();
  }
  Batch batch = std::move(ready.front());
  ready.pop_front();
  changed.notify_all();
  return batch;
}

void BatchReader::recycle(Batch batch) {
  std::lock_guard lock(mutex);
  spare.push_back(std::move(batch));
}

} // namespace triton::zoo
