// Every command of `walden`. Each function defines its options and, when it is the chosen one, sets
// Program::command.
#pragma once

#include "cli/session.h"

namespace walden::cli {

void AddAppendCommand(CLI::App& app, Program& program);
void AddReadCommand(CLI::App& app, Program& program);
void AddTailCommand(CLI::App& app, Program& program);
void AddMarkDeletedCommand(CLI::App& app, Program& program);
void AddRecoverCommand(CLI::App& app, Program& program);
void AddPutCommand(CLI::App& app, Program& program);
void AddGetCommand(CLI::App& app, Program& program);
void AddScanCommand(CLI::App& app, Program& program);
void AddFlushCommand(CLI::App& app, Program& program);
void AddFinalizeCommand(CLI::App& app, Program& program);
void AddNamespacesCommand(CLI::App& app, Program& program);
void AddRegionsCommand(CLI::App& app, Program& program);
void AddDescribeCommand(CLI::App& app, Program& program);
void AddVerifyCommand(CLI::App& app, Program& program);
void AddSyncCommand(CLI::App& app, Program& program);
void AddCloseCommand(CLI::App& app, Program& program);
void AddOpenProducerCommand(CLI::App& app, Program& program);
void AddDropCommand(CLI::App& app, Program& program);
void AddStatusCommand(CLI::App& app, Program& program);
void AddStatsCommand(CLI::App& app, Program& program);
void AddHealthCommand(CLI::App& app, Program& program);
void AddInspectCommand(CLI::App& app, Program& program);
void AddAdoptCommand(CLI::App& app, Program& program);
void AddMigrateCommand(CLI::App& app, Program& program);
void AddImportCommand(CLI::App& app, Program& program);
void AddTokenCommand(CLI::App& app, Program& program);
void AddBackupCommand(CLI::App& app, Program& program);
void AddVerifyBackupCommand(CLI::App& app, Program& program);
void AddRestoreCommand(CLI::App& app, Program& program);
void AddBenchCommand(CLI::App& app, Program& program);

}  // namespace walden::cli
