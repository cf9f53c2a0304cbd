// correlate(request, furtherMaps, onProgress, cancelFlag): one pass on a worker thread. Progress is passed on at most ten times a
// second.
#include <chrono>

#include "background_task.hpp"

namespace xpcs::binding {
namespace {

struct ProgressNote {
  Stage stage;
  double fraction;
  std::string text;
};

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::reading: return "reading";
    case Stage::correlating: return "correlating";
    case Stage::writing: return "writing";
  }
  return "";
}

/// Passes progress and notes to a function of the event loop.
class Progress {
 public:
  Progress(Napi::Env env, const Napi::Function& onProgress) : call_(Napi::ThreadSafeFunction::New(env, onProgress, "xpcs progress", 0, 1)) {}
  ~Progress() { call_.Release(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void watch(Control& control) {
    control.note = [this](const std::string& text) { send(lastStage_ == Stage::writing ? Stage::reading : lastStage_, 0, text); };
    control.progress = [this](Stage stage, double fraction) { note(stage, fraction); };
  }

 private:
  void note(Stage stage, double fraction) {
    const auto now = std::chrono::steady_clock::now();
    if (stage == lastStage_ && now - lastNote_ < std::chrono::milliseconds(100)) return;
    lastStage_ = stage;
    lastNote_ = now;
    send(stage, fraction, {});
  }

  void send(Stage stage, double fraction, const std::string& text) {
    auto* note = new (std::nothrow) ProgressNote{stage, fraction, text};  // the queue takes a bare pointer; freed below
    if (note == nullptr) return;
    const auto queued = call_.NonBlockingCall(note, [](Napi::Env env, Napi::Function callback, ProgressNote* raw) {
      const std::unique_ptr<ProgressNote> owned(raw);
      Napi::Object value = Napi::Object::New(env);
      value.Set("stage", stage_name(owned->stage));
      value.Set("fraction", owned->fraction);
      if (!owned->text.empty()) value.Set("note", owned->text);
      callback.Call({value});
    });
    if (queued != napi_ok) delete note;
  }

  Napi::ThreadSafeFunction call_;
  Stage lastStage_ = Stage::writing;
  std::chrono::steady_clock::time_point lastNote_{};
};

}  // namespace

Napi::Value correlate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 4 || !info[0].IsObject() || !info[1].IsArray() || !info[2].IsFunction() || !info[3].IsTypedArray()) {
    throw Napi::TypeError::New(env, "correlate(request, furtherMaps, onProgress, cancelFlag)");
  }
  const auto progress = std::make_shared<Progress>(env, info[2].As<Napi::Function>());
  const auto summaries = std::make_shared<std::vector<Summary>>();
  return BackgroundTask::start(
      env, info[3].As<Napi::Int32Array>(),
      [progress, summaries, request = to_request(info[0].As<Napi::Object>()), further = to_further_maps(info[1])](Control& control) {
        progress->watch(control);
        *summaries = run_analyses(request, further, control);
      },
      [summaries](Napi::Env at) {
        Napi::Array all = Napi::Array::New(at);
        for (std::uint32_t i = 0; i < summaries->size(); ++i) all.Set(i, to_object(at, (*summaries)[i]));
        return all;
      },
      "not enough memory for this file: raise the limit, or shorten the range with --begin and --end");
}

}  // namespace xpcs::binding
