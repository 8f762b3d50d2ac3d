// Executes a Jenkinsfile without Jenkins: groovy Run.groovy JENKINSFILE LIBRARY WORKSPACE ARCHIVE, with a JSON on the first line of standard input:
// {"environment": {…}, "parameters": {…}, "credentials": {id: text}}. The word `abort` on a later line aborts the build.
//
// The language is the one that Jenkins has (2.4.21), but not its way of running it (CPS), its sandbox and its rules for declarative pipelines.
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

def (jenkinsfile, library, workspace, archive) = args.collect { new File(it).absoluteFile }
def input = System.in.newReader('UTF-8')
def build = new Build(new groovy.json.JsonSlurper().parseText(input.readLine()), workspace, archive)

def configuration = new CompilerConfiguration(scriptBaseClass: Steps.name, sourceEncoding: 'UTF-8')
// Stands before `_` to load a library, which is loaded here anyway.
configuration.addCompilationCustomizers(new ImportCustomizer().addImports('Library'))
def shell = new GroovyShell(getClass().classLoader, new Binding(build: build), configuration)
build.library = { name ->
    def file = new File(library, "vars/${name}.groovy")
    file.exists() ? shell.parse(file) : null
}
Thread.startDaemon {
    while (input.readLine() == 'abort') { build.abort() }
}
build.run { shell.parse(jenkinsfile.text, 'WorkflowScript').run() }
build.console.flush()
System.exit(build.result == 'SUCCESS' ? 0 : 1)
